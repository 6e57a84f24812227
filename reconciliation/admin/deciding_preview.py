"""What would be written, row by row, from the very plan that a decision carries out."""

from collections.abc import Iterable, Mapping, Sequence

from reconciliation.admin import display
from reconciliation.admin.deciding_types import Preview, Viewer
from reconciliation.admin.links import link, link_to
from reconciliation.admin.page import Lines, Section, Table
from reconciliation.conf import Conf
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.decisions import DecisionPlan, Refusal
from reconciliation.enums import HistorySource, Right
from reconciliation.models import Fill, Mismatch, Profile, Trade
from reconciliation.selectors.consequences import Effect
from reconciliation.selectors.lists import id_list

_CORRECTS = "This corrects the portal's books. No order is placed, changed or canceled."


def preview_of(
    plan: DecisionPlan | Refusal,
    *,
    mismatches: Iterable[tuple[Mismatch, str]] = (),
    then: str = "",
    second: str = "",
    answered: frozenset[str] = frozenset(),
) -> Preview:
    """Return a plan as tables; `mismatches` are with what becomes of each, `then` of the item.

    `answered` are the symbols of which too large an exit is explained by it.
    """
    if isinstance(plan, Refusal):
        return Preview(code=plan.code, sentence=plan.sentence)
    fates = list(mismatches)
    told = [*plan.sentences, *([then] if then else [])]
    told = [f"{each[:1].upper()}{each[1:]}." for each in told]
    return Preview(
        sections=(
            Lines(title="What will happen", lines=[*map(display.text, told), _CORRECTS]),
            *tables_of(plan.changes),
            *_fates(plan, fates),
        ),
        notional=plan.notional,
        sentences=plan.sentences,
        effect=Effect(
            changes=tuple(plan.changes),
            ended=tuple(each for each, fate in fates if fate != "OPEN again"),
            answered=answered,
        ),
        second=second,
    )


def second_person(viewer: Viewer, conf: Conf, preview_notional: object, *, stale: bool) -> str:
    """Return why a second person has to agree, empty where one is enough."""
    limit, worth = conf.four_eyes_min_notional_usd, preview_notional
    if limit is not None and worth is None:
        return "Its worth is not known, so two people decide it."
    if limit is not None and worth >= limit:  # type: ignore[operator]
        return (
            f"It is worth {worth:f} USD; from {limit:f} USD on, two people decide "
            "(RECON_FOUR_EYES_MIN_NOTIONAL_USD)."
        )
    if stale:
        return "The evidence is old and could not be read anew, so two people decide it."
    if not viewer.may(Right.APPROVE):
        return "You may propose; somebody who may approve carries it out."
    return ""


def tables_of(changes: Sequence[Change]) -> list[Section]:
    """Return history rows, slices and fills of changes as tables."""
    trades = _trades(changes)
    profiles = Profile.objects.in_bulk(sorted({change.profile_id for change in changes}))
    fills = Fill.objects.defer("raw").in_bulk(
        sorted({each.fill_id for change in changes for each in change.allocations})
    )
    history = [
        [
            str(row.kind),
            trades.get(row.trade_id, "a new slice"),
            link(profiles.get(change.profile_id)),
            display.amount(row.quantity),
            display.amount(row.price),
            "estimated" if row.estimated else "as traded or typed",
            _SOURCES.get(row.source, str(row.source)),
        ]
        for change in changes
        for row in change.history
    ]
    slices = [
        [
            trades.get(change.trade.id, display.text(change.trade.trade_id)),
            link(profiles.get(change.profile_id)),
            str(change.trade.status),
            display.amount(change.trade.open_quantity),
        ]
        for change in changes
        if change.trade is not None
    ]
    consumed = [
        [
            link(fills.get(each.fill_id)),
            trades.get(each.trade_id, "a new slice"),
            display.amount(each.quantity),
            "freed" if each.released else "booked",
        ]
        for change in changes
        for each in change.allocations
    ]
    orders = [
        [
            display.text(order.exchange_order_id),
            link(profiles.get(change.profile_id)),
            display.text(change.trade.trade_id if change.trade else _of(order.trade_id, trades)),
            display.text(order.purpose),
        ]
        for change in changes
        for order in change.orders
    ]
    found: list[Table] = [
        Table(
            title="History rows",
            headings=["Row", "Slice", "Profile", "Quantity", "Price", "Price is", "Source"],
            rows=history,
        ),
        Table(title="The slice then", headings=["Slice", "Profile", "Status", "Open"], rows=slices),
        Table(title="Fills", headings=["Fill", "Slice", "Quantity", "Effect"], rows=consumed),
        Table(title="Orders", headings=["Order", "Profile", "Trade", "Purpose"], rows=orders),
    ]
    return [each for each in found if each.rows]


_SOURCES = {HistorySource.OPERATOR: "OPERATOR: a person's word", HistorySource.DUST: "DUST"}


def _of(trade_id: int | None, trades: Mapping[int, str]) -> str:
    return "" if trade_id is None else trades.get(trade_id, "a new slice")


def _trades(changes: Sequence[Change]) -> dict[int, str]:
    ids = {row.trade_id for change in changes for row in change.history}
    ids |= {change.trade.id for change in changes if change.trade is not None}
    ids |= {each.trade_id for change in changes for each in change.allocations}
    names = dict(
        Trade.objects.filter(pk__in=id_list(key for key in ids if key > 0)).values_list(
            "pk", "trade_id"
        )
    )
    return {key: link_to(Trade, key, display.text(name)) for key, name in names.items()}


def _fates(plan: DecisionPlan, mismatches: Iterable[tuple[Mismatch, str]]) -> list[Section]:
    """Return what becomes of fills that nobody books, and of mismatches."""
    fills = Fill.objects.defer("raw").in_bulk([*plan.set_aside, *plan.freed])
    rows = [
        [link(fills.get(key)), "set aside as not ours: nothing asks about it again"]
        for key in plan.set_aside
    ]
    rows += [[link(fills.get(key)), "counts again"] for key in plan.freed]
    rows += [[link(each), f"{display.text(each.kind)} becomes {fate}"] for each, fate in mismatches]
    return [Table(title="What becomes of it", headings=["What", "Becomes"], rows=rows)] * bool(rows)
