"""Two sides of a JSON record, field by field, each difference marked in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.utils.html import format_html

from reconciliation.admin import display
from reconciliation.admin.page import Table
from reconciliation.admin.records import Record, as_records, record_tables, words
from reconciliation.domain.amounts import InexactAmount, parse_amount, total
from reconciliation.models import ExchangeAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """How two values compare: both are there and differ, or one side says nothing of it."""

    differs: str
    only_left: str
    only_right: str
    by_how_much: str = ""
    """The heading of the signed difference of amounts; empty: none is shown."""


_OF_SIDES = Verdicts(
    differs="differs",
    only_left="only in the database",
    only_right="only at the exchange",
    by_how_much="Exchange − database",
)
_OF_CHANGES = Verdicts(differs="changed", only_left="only before", only_right="set")


def compare_sides(
    database: Mapping[str, object], exchange: Mapping[str, object], account: ExchangeAccount
) -> Iterator[Table]:
    """Return what both sides say of the same fields, and the fills that are the evidence.

    The exchange's side of an order stands under `order`, beside how it was found: its fields are
    compared with the database's fields of that order.
    """
    shown = exchange.get("order")
    if "order" not in database and isinstance(shown, Mapping):
        exchange = {name: value for name, value in exchange.items() if name != "order"} | dict(
            shown
        )
    yield from _comparison(
        "Database beside exchange",
        ("Database", "Exchange"),
        (database, exchange),
        _OF_SIDES,
        account,
        note="What only one side says is unknown to the other: that is no difference.",
    )


def compare_change(
    before: Mapping[str, object],
    after: Mapping[str, object],
    *,
    object_type: str,
    account: ExchangeAccount | None,
) -> Iterator[Table]:
    """Return what an event changed, from its payload; where there was nothing before, what it set.

    Where the event is about one object, `before` is that object and `after` holds it by its type.
    """
    if not before:
        yield from _what_was_set(after, account)
        return
    if object_type and object_type not in before and isinstance(after.get(object_type), Mapping):
        before = {object_type: before}
    yield from _comparison(
        "Before and after", ("Before", "After"), (before, after), _OF_CHANGES, account
    )


def _comparison(
    title: str,
    headings: tuple[str, str],
    records: tuple[Record, Record],
    verdicts: Verdicts,
    account: ExchangeAccount | None,
    *,
    note: str = "",
) -> Iterator[Table]:
    """Return a table of the fields of two records, and one of each list of records in them.

    What differs comes first. A field of which neither side says anything is left out.
    """
    (lefts, left_lists), (rights, right_lists) = map(_flat, records)
    rows = []
    for name in lefts.keys() | rights.keys():
        left, right = lefts.get(name), rights.get(name)
        rank, verdict = _verdict(left, right, verdicts)
        cells = [words(name), display.inline_json(left), display.inline_json(right), verdict]
        if verdicts.by_how_much:
            cells.append(_by_how_much(left, right) if rank == 0 else "")
        rows.append((rank, cells))
    yield Table(
        title=title,
        headings=[
            "Field",
            *headings,
            "Comparison",
            *([verdicts.by_how_much] if verdicts.by_how_much else []),
        ],
        rows=[cells for _, cells in sorted(rows)],
        empty=f"{title}: neither says anything.",
        note=note,
        foreign=True,
    )
    before = {f"{name}, {headings[0].lower()}": items for name, items in left_lists.items()}
    yield from record_tables(before | right_lists, account)


def _what_was_set(after: Record, account: ExchangeAccount | None) -> Iterator[Table]:
    values = list(after.values())
    if len(values) == 1 and isinstance(values[0], Mapping):
        after = values[0]
    fields, lists = _flat(after)
    if fields:
        yield Table(
            title="What was set",
            headings=["Field", "Set to"],
            rows=[[words(name), display.inline_json(fields[name])] for name in sorted(fields)],
            foreign=True,
        )
    yield from record_tables(lists, account)


def _flat(record: Record) -> tuple[dict[str, object], dict[str, Sequence[Record]]]:
    """Return what a record says by dotted names: its values, and apart from them its lists."""
    values: dict[str, object] = {}
    lists: dict[str, Sequence[Record]] = {}
    for name, value in leaves(record):
        items = as_records(value)
        if items is not None:
            lists[name] = items
        elif value is not None and value != "" and value != [] and value != {}:
            values[name] = value
    return values, lists


def leaves(record: Record, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the values of a record by their dotted names."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _verdict(left: object, right: object, verdicts: Verdicts) -> tuple[int, str]:
    """Return the rank of a field among the others, and how its two values compare."""
    if right is None:
        return 1, verdicts.only_left
    if left is None:
        return 1, verdicts.only_right
    if display.same_value(left, right):
        return 2, "same"
    return 0, format_html('<strong class="word differs">{}</strong>', verdicts.differs)


def _by_how_much(left: object, right: object) -> str:
    """Return the signed difference of two amounts; of anything else there is none."""
    try:
        return display.signed(total((parse_amount(right), -parse_amount(left))))
    except InexactAmount:
        return display.NOTHING
