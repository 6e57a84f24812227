"""Two sides of a JSON record, field by field, each difference marked in words."""

from collections.abc import Iterator, Mapping

from reconciliation.admin import display
from reconciliation.admin.page import Table, strong

_MISSING = object()


def compare_sides(database: Mapping[str, object], exchange: Mapping[str, object]) -> Table:
    """Return what both sides say of the same fields.

    The exchange's side of an order stands under `order`, beside how it was found: its fields are
    compared with the database's fields of that order.
    """
    shown = exchange.get("order")
    if "order" not in database and isinstance(shown, Mapping):
        exchange = {name: value for name, value in exchange.items() if name != "order"} | dict(
            shown
        )
    return comparison(
        "Database beside exchange",
        ("Database", "Exchange"),
        database,
        exchange,
        note="A field that one side does not know is no difference; it is unknown.",
        difference="differs",
    )


def compare_change(
    before: Mapping[str, object], after: Mapping[str, object], *, object_type: str
) -> Table:
    """Return what an event changed, from its payload.

    Where the event is about one object, `before` is that object and `after` holds it by its type.
    """
    if object_type and object_type not in before and isinstance(after.get(object_type), Mapping):
        before = {object_type: before}
    return comparison("Before and after", ("Before", "After"), before, after, difference="changed")


def comparison(
    title: str,
    headings: tuple[str, str],
    left: Mapping[str, object],
    right: Mapping[str, object],
    *,
    difference: str,
    note: str = "",
) -> Table:
    """Return a table of the fields of two records, flattened to dotted names.

    `difference` is the word for two values that are not the same; those rows come first.
    """
    lefts, rights = dict(_flat(left)), dict(_flat(right))
    rows = []
    for name in lefts.keys() | rights.keys():
        sides = lefts.get(name, _MISSING), rights.get(name, _MISSING)
        rank, verdict = _verdict(*sides, difference)
        rows.append((rank, [display.text(name), *map(_shown, sides), verdict]))
    return Table(
        title=title,
        headings=["Field", *headings, "Comparison"],
        rows=[cells for _, cells in sorted(rows)],
        empty="Neither side holds a field.",
        note=note,
    )


def _flat(record: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: object) -> str:
    return display.NOTHING if value is _MISSING else display.inline_json(value)


def _verdict(left: object, right: object, difference: str) -> tuple[int, str]:
    """Return the rank of a field among the others, and how its two values compare."""
    if left is _MISSING or right is _MISSING:
        return 3, "on one side only"
    if display.same_value(left, right):
        return 2, "same"
    if left is None or right is None:
        return 1, "unknown on one side"
    return 0, strong(difference)
