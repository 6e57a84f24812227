"""Lists of records inside a JSON record, such as fills: each is a table, not a line of JSON."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from django.utils.text import capfirst

from reconciliation.admin import display
from reconciliation.admin.links import short, short_link
from reconciliation.admin.page import ROWS_PER_TABLE, Table
from reconciliation.models import ExchangeAccount, Fill

Record = Mapping[str, object]

# The rest of a fill stands on its own page, which its id leads to.
_OF_A_FILL = {
    "side": "Side",
    "kind": "Kind",
    "quantity": "Quantity",
    "price": "Price",
    "fee": "Fee",
    "fee_currency": "Fee in",
    "executed_at": "Executed (UTC)",
}


def words(name: str) -> str:
    """Return the name of a field as words: `order.filled_quantity` → order: filled quantity."""
    return display.text(name.replace(".", ": ").replace("_", " "))


def as_records(value: object) -> Sequence[Record] | None:
    """Return a list of records, None for any other value."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        return value
    return None


def record_tables(
    lists: Mapping[str, Sequence[Record]], account: ExchangeAccount | None
) -> Iterator[Table]:
    """Return one table a list; fills lead to their pages where the account is known."""
    fills = {name: items for name, items in lists.items() if all("fill_id" in i for i in items)}
    known = _known_fills([item for items in fills.values() for item in items], account)
    for name, items in lists.items():
        yield _fills(name, items, known) if name in fills else _anything(name, items)


def _known_fills(
    items: Sequence[Record], account: ExchangeAccount | None
) -> Mapping[str, Sequence[Fill]]:
    """Return the fills of an account by their ids, in one query."""
    found: dict[str, list[Fill]] = {}
    if account is None or not items:
        return found
    ids = [str(item["fill_id"]) for item in items[:ROWS_PER_TABLE]]
    for fill in Fill.objects.filter(account=account, exchange_fill_id__in=ids).defer("raw"):
        found.setdefault(fill.exchange_fill_id, []).append(fill)
    return found


def _fills(name: str, items: Sequence[Record], known: Mapping[str, Sequence[Fill]]) -> Table:
    shown = {key: title for key, title in _OF_A_FILL.items() if any(key in item for item in items)}
    return Table(
        title=capfirst(words(name)),
        headings=["Fill", *shown.values()],
        rows=[
            [_fill(item, known), *(_cell(key, item.get(key)) for key in shown)]
            for item in items[:ROWS_PER_TABLE]
        ],
        note=_cut(items),
    )


def _fill(item: Record, known: Mapping[str, Sequence[Fill]]) -> str:
    """Return a fill by its id, which is unique within a symbol and a side."""
    fill_id = str(item["fill_id"])
    same = [
        fill
        for fill in known.get(fill_id, [])
        if item.get("symbol", fill.symbol) == fill.symbol
        and item.get("side", fill.side) == fill.side
    ]
    return short_link(same[0]) if len(same) == 1 else short(display.text(fill_id))


def _anything(name: str, items: Sequence[Record]) -> Table:
    keys = sorted({key for item in items for key in item})
    return Table(
        title=capfirst(words(name)),
        headings=[capfirst(words(key)) for key in keys],
        rows=[[_cell(key, item.get(key)) for key in keys] for item in items[:ROWS_PER_TABLE]],
        note=_cut(items),
        foreign=True,
    )


def _cell(key: str, value: object) -> str:
    if key.endswith("_at") and isinstance(value, str):
        try:
            return display.moment_of_column(datetime.fromisoformat(value))
        except ValueError:
            pass
    return display.inline_json(value)


def _cut(items: Sequence[Record]) -> str:
    if len(items) <= ROWS_PER_TABLE:
        return ""
    return f"The first {ROWS_PER_TABLE} of {len(items)} are shown; all are in the record below."
