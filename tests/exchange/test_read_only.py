"""Nothing can place, change or cancel an order, and only one module knows ccxt."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import reconciliation
from reconciliation.exchange.ccxt_gateway import CcxtGateway
from reconciliation.exchange.gateway import Gateway

ROOT = Path(reconciliation.__file__).parent
# Words of ccxt's and OKX's methods that trade, move money or change an account.
WORDS = (
    "create_order",
    "createorder",
    "edit_order",
    "editorder",
    "cancel_order",
    "cancelorder",
    "cancel_all",
    "cancelall",
    "amend",
    "close_position",
    "closeposition",
    "(?<!re)place_?order",
    "set_leverage",
    "setleverage",
    "set_margin_mode",
    "set_position_mode",
    "withdraw",
    "privatepost",
    "privateput",
    "privatedelete",
    "private_post",
    "private_put",
    "private_delete",
)
FORBIDDEN = re.compile("|".join(WORDS), re.IGNORECASE)
READING = {
    "begin_cycle",
    "close",
    "fetch_balances",
    "fetch_clock_lead",
    "fetch_fill_pages",
    "fetch_key_rights",
    "fetch_margin_in_use",
    "fetch_mark",
    "fetch_open_orders",
    "fetch_order",
    "fetch_order_fills",
    "fetch_position_mode",
    "fetch_positions",
    "instrument_types",
    "load_instruments",
    "load_skipped_instruments",
    "order_classes",
}


def modules() -> Iterator[Path]:
    """Yield every module but the paper exchange's, which plays the exchange's part."""
    paper = ROOT / "exchange" / "paper"
    return (path for path in sorted(ROOT.rglob("*.py")) if paper not in path.parents)


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the attributes, names, definitions and texts (not docstrings) of a module."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.alias):
            yield node.lineno, node.name
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            # A single word could name a method; a sentence cannot.
            and " " not in node.value
        ):
            yield node.lineno, node.value


def test_no_module_names_a_method_that_trades() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in modules()
        for line, name in names(ast.parse(path.read_text(encoding="utf-8")))
        if FORBIDDEN.search(name)
    ]

    assert found == []


def test_the_check_sees_what_it_is_there_to_see() -> None:
    source = 'client.create_order("BTC")\ngetattr(client, "privatePostTradeOrder")()\n'

    seen = [name for _, name in names(ast.parse(source)) if FORBIDDEN.search(name)]

    assert seen == ["create_order", "privatePostTradeOrder"]


@pytest.mark.parametrize("cls", [CcxtGateway, Gateway])
def test_a_gateway_has_no_method_but_those_that_read(cls: type) -> None:
    public = {name for name in vars(cls) if not name.startswith("_")}

    assert public <= READING


def test_only_one_module_imports_ccxt() -> None:
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in sorted(ROOT.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (
            isinstance(node, ast.Import)
            and any(each.name.partition(".")[0] == "ccxt" for each in node.names)
        )
        or (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "ccxt")
    }

    assert importers == {"exchange/ccxt_gateway.py"}


@pytest.mark.parametrize("module", ["gateway", "ccxt_gateway"])
def test_importing_the_gateway_does_not_import_ccxt(module: str) -> None:
    code = (
        f"import sys, reconciliation.exchange.{module}; "
        "sys.exit('ccxt' in sys.modules or 'requests' in sys.modules)"
    )

    done = subprocess.run(  # noqa: S603 - this interpreter, on the text above
        [sys.executable, "-c", code], cwd=ROOT.parent, check=False
    )

    assert done.returncode == 0
