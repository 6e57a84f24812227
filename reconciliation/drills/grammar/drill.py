"""A whole drill: its scene, its steps and what must hold at the end."""

import re
from collections.abc import Mapping
from pathlib import Path

from reconciliation import conf
from reconciliation.drills import values
from reconciliation.drills.grammar.database import foretell_trades, read_database
from reconciliation.drills.grammar.exchange import read_exchange, read_instruments
from reconciliation.drills.grammar.expectations import read_expectations
from reconciliation.drills.grammar.names import Names, resolve
from reconciliation.drills.grammar.steps import read_steps
from reconciliation.drills.schema import AccountSpec, DatabaseChange, Drill, ProfileSpec
from reconciliation.drills.source import Field, Node, read_source, suggestion
from reconciliation.drills.words import SETTINGS
from reconciliation.enums import PositionMode
from reconciliation.exchange.paper.records import BUILT_IN_INSTRUMENTS

# What the paper exchange speaks.
EXCHANGES = ("okx",)

_REQUIRED = ("drill", "now", "accounts", "profiles")
_OPTIONAL = ("about", "env", "instruments", "database", "exchange", "steps", "expect")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,63}")


def read_drill(path: Path) -> Drill:
    """Return the drill of a file. Raises DrillError, with file and line, where it has none."""
    return parse_drill(read_source(path))


def parse_drill(root: Node) -> Drill:
    """Return the drill of a document.

    Steps are read in order, each with the names that those before it brought.
    """
    fields = root.fields("a drill", required=_REQUIRED, optional=_OPTIONAL)
    now = values.moment(fields["now"], "now", start=None)
    settings = _settings(fields.get("env"))
    accounts = _accounts(fields["accounts"])
    names = Names(
        start=now,
        accounts=accounts,
        profiles=_profiles(fields["profiles"], accounts),
        instruments=read_instruments(fields.get("instruments"), BUILT_IN_INSTRUMENTS),
        trade_profiles={},
    )
    names.trade_profiles = _foretold(root, names)
    database, exchange = fields.get("database"), fields.get("exchange")
    steps, expect = fields.get("steps"), fields.get("expect")
    about = fields.get("about")
    return Drill(
        name=values.text(fields["drill"], "drill"),
        about="" if about is None else values.text(about, "about"),
        file=root.file,
        now=now,
        conf=settings,
        accounts=names.accounts,
        profiles=names.profiles,
        instruments=names.instruments,
        trade_codes=names.trade_codes,
        database=DatabaseChange() if database is None else read_database(database, names),
        exchange=() if exchange is None else read_exchange(exchange, names),
        steps=() if steps is None else read_steps(steps, names),
        expectations=() if expect is None else read_expectations(expect, names),
    )


def _settings(node: Node | None) -> conf.Conf:
    """Return the settings of the drill: its own and the defaults, never the operator's."""
    entries = {} if node is None else node.entries("env")
    known = {*conf.BY_NAME, *SETTINGS}
    for name, field in entries.items():
        if name not in known:
            raise field.error(f"there is no setting {name!r}{suggestion(name, sorted(known))}")
        if name not in conf.BY_NAME:
            raise field.error(f"not served by this version: setting {name!r}")
    settings, problems = conf.load({name: _setting(name, each) for name, each in entries.items()})
    for problem in problems:
        raise entries[problem.name].error(f"{problem.name}: {problem.fault} ({problem.hint})")
    if settings is None:
        raise AssertionError("settings without a problem can be used")
    return settings


def _setting(name: str, field: Field) -> str:
    value = field.node.value
    if isinstance(value, bool | int):
        return field.node.written
    return values.text(field.node, name)


def _accounts(node: Node) -> Mapping[str, AccountSpec]:
    accounts = {}
    for name, field in node.entries("accounts").items():
        _check_name(field, "account", name)
        fields = field.node.fields(f"account {name}", required=("exchange", "position_mode"))
        accounts[name] = AccountSpec(
            name=name,
            exchange=values.one_of(fields["exchange"], "exchange", EXCHANGES),
            position_mode=values.word(fields["position_mode"], "position_mode", PositionMode),
        )
    if not accounts:
        raise node.error("a drill needs an account")
    return accounts


def _profiles(node: Node, accounts: Mapping[str, AccountSpec]) -> Mapping[str, ProfileSpec]:
    profiles: dict[str, ProfileSpec] = {}
    for name, field in node.entries("profiles").items():
        _check_name(field, "profile", name)
        fields = field.node.fields(
            f"profile {name}", required=("account", "sub_tag", "allocated_capital_usd")
        )
        account = resolve(fields["account"], "account", accounts).name
        sub_tag = values.text(fields["sub_tag"], "sub_tag")
        for other in profiles.values():
            if (other.account, other.sub_tag) == (account, sub_tag):
                raise fields["sub_tag"].error(f"profile {other.name} has the sub tag {sub_tag!r}")
        capital = values.not_negative(fields["allocated_capital_usd"], "allocated_capital_usd")
        profiles[name] = ProfileSpec(
            name=name, account=account, sub_tag=sub_tag, allocated_capital_usd=capital
        )
    return profiles


def _check_name(field: Field, what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise field.error(f"{what} {name!r}: a name is letters, digits, - and _, at most 64")


def _foretold(root: Node, names: Names) -> dict[str, str]:
    """Return trade → profile of every `database` section, where the profile is a known one."""
    entries = root.entries("a drill")
    sections = [entries["database"].node] if "database" in entries else []
    steps = entries["steps"].node.value if "steps" in entries else ()
    for step in steps if isinstance(steps, tuple) else ():
        if isinstance(step.value, dict) and "database" in step.value:
            sections.append(step.value["database"].node)
    found: dict[str, str] = {}
    for section in sections:
        for trade, profile in foretell_trades(section).items():
            found.setdefault(trade, profile)
    return {trade: profile for trade, profile in found.items() if profile in names.profiles}
