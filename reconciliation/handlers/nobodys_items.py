"""An item that belongs to nobody, as it stands: locked, with its mismatch and its worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from django.db.models import QuerySet

from reconciliation.domain.amounts import ZERO, product
from reconciliation.domain.books import KeptFill
from reconciliation.domain.plans.nobodys import GONE_FROM_EXCHANGE, OWNED_BY_NOW, Orphan
from reconciliation.domain.types import ExchangeOrder
from reconciliation.enums import (
    DecisionRefusal,
    ExternalStatus,
    InstrumentType,
    MismatchKind,
    MismatchStatus,
    Nobodys,
)
from reconciliation.handlers.decision_records import Refused
from reconciliation.models import (
    BackfillCandidate,
    Decision,
    ExchangeAccount,
    ExternalOrder,
    Fill,
    FillAllocation,
    Mismatch,
)
from reconciliation.selectors.nobodys import (
    external_mismatch,
    fill_mismatch,
    is_of_known_order,
    load_mark,
    orphan_of,
    shown_external,
)
from reconciliation.selectors.states import kept_fill

Row = TypeVar("Row", ExternalOrder, Fill, Mismatch)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Where an item is kept, and by which word the audit trail and decisions name it."""

    model: type[ExternalOrder] | type[Fill] | type[Mismatch]
    word: str


MODELS: Mapping[Nobodys, _Kind] = {
    Nobodys.EXTERNAL_ORDER: _Kind(ExternalOrder, "external_order"),
    Nobodys.FILL: _Kind(Fill, "fill"),
    Nobodys.ORPHAN: _Kind(Mismatch, "mismatch"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NobodysItem:
    """What is decided on: the id of an external order, a fill, or an orphan's mismatch."""

    kind: Nobodys
    id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item with all that a decision on it rests on.

    `decided` says why it is no question any more; exactly one of `shown`, `kept` and `orphan` is
    there. `version` moves with each decision, and with what is booked of a fill.
    """

    row: ExternalOrder | Fill | Mismatch
    account_id: int
    subject: Mapping[str, object]
    version: int
    mismatch: Mismatch | None
    quantity: Decimal | None
    notional_usd: Decimal | None
    decided: str = ""
    shown: ExchangeOrder | None = None
    kept: KeptFill | None = None
    orphan: Orphan | None = None
    base_currency: str | None = None
    is_of_known_order: bool = False
    waits_in_backfill: bool = False

    @property
    def subject_ids(self) -> dict[str, int]:
        """Return the column of a decision that names it, with its id."""
        return dict.fromkeys(self.subject, self.row.pk)


def locate(item: NobodysItem) -> ExchangeAccount:
    """Return the account of an item; raises `Refused` where there is no such item."""
    rows = MODELS[item.kind].model._default_manager.select_related("account")
    row = rows.filter(pk=item.id).first()
    is_other = isinstance(row, Mismatch) and row.kind != MismatchKind.ORPHAN_POSITION
    if row is None or is_other:
        raise _unknown()
    return row.account


def load_item(item: NobodysItem, *, lock: bool = True) -> Item:
    """Return an item as it is now; lock it, unless a page only looks at it."""
    if item.kind == Nobodys.EXTERNAL_ORDER:
        return _load_external(item.id, lock)
    return _load_fill(item.id, lock) if item.kind == Nobodys.FILL else _load_orphan(item.id, lock)


def version_of(item: NobodysItem) -> int:
    """Return the version that a page shows of an item, to be given back with the decision."""
    if item.kind == Nobodys.EXTERNAL_ORDER:
        return ExternalOrder.objects.values_list("version", flat=True).get(pk=item.id)
    decisions = Decision.objects.filter(**{MODELS[item.kind].word: item.id}).count()
    booked = FillAllocation.objects.filter(fill_id=item.id) if item.kind == Nobodys.FILL else None
    return 1 + decisions + (0 if booked is None else booked.count())


def _load_external(pk: int, lock: bool) -> Item:
    row = _found(_one(ExternalOrder.objects.filter(pk=pk), lock))
    mismatch = external_mismatch(row, lock=lock)
    price = load_mark(row.account_id, row.symbol) if row.price is None else row.price
    waits = row.status == ExternalStatus.PENDING
    return Item(
        row=row,
        account_id=row.account_id,
        subject={"external_order": row},
        version=row.version,
        mismatch=mismatch,
        quantity=row.quantity,
        notional_usd=_worth(row.quantity, price),
        decided="" if waits else _how_decided(row),
        shown=shown_external(row, mismatch),
    )


def _load_fill(pk: int, lock: bool) -> Item:
    row = _found(_one(Fill.objects.filter(pk=pk), lock))
    kept = kept_fill(row)
    decided = "a person has said that it is not ours" if row.set_aside else ""
    if kept.remaining <= ZERO:
        decided = "all of it is booked"
    is_spot = row.instrument_type == InstrumentType.SPOT
    return Item(
        row=row,
        account_id=row.account_id,
        subject={"fill": row},
        version=version_of(NobodysItem(kind=Nobodys.FILL, id=pk)),
        mismatch=fill_mismatch(row, lock=lock),
        quantity=kept.remaining,
        notional_usd=_worth(kept.remaining, row.price),
        decided=decided,
        kept=kept,
        base_currency=row.symbol.partition("/")[0] if is_spot else None,
        is_of_known_order=is_of_known_order(row),
        waits_in_backfill=BackfillCandidate.objects.waiting().filter(fill=row).exists(),
    )


def _load_orphan(pk: int, lock: bool) -> Item:
    row = _found(_one(Mismatch.objects.filter(pk=pk), lock))
    orphan = orphan_of(row)
    if orphan is None:
        raise _unknown()
    price = orphan.mark
    if price is None:
        price = load_mark(row.account_id, row.symbol) or orphan.entry_price
    return Item(
        row=row,
        account_id=row.account_id,
        subject={"mismatch": row},
        version=version_of(NobodysItem(kind=Nobodys.ORPHAN, id=pk)),
        mismatch=row,
        quantity=abs(orphan.excess),
        notional_usd=_worth(orphan.excess, price),
        decided="" if row.status == MismatchStatus.OPEN else f"it is {row.status} already",
        orphan=orphan,
    )


def _one(rows: QuerySet[Row], lock: bool) -> Row | None:
    return (rows.select_for_update(no_key=True) if lock else rows).first()


def _found(row: Row | None) -> Row:
    if row is None:
        raise _unknown()
    return row


def _unknown() -> Refused:
    return Refused(DecisionRefusal.UNKNOWN_ITEM, "there is no such item to decide on")


def _worth(quantity: Decimal | None, price: Decimal | None) -> Decimal | None:
    """Return what a quantity is worth, without its sign; unknown where either is."""
    return None if quantity is None or price is None else abs(product(quantity, price))


def _how_decided(row: ExternalOrder) -> str:
    by_itself = row.why in (GONE_FROM_EXCHANGE, OWNED_BY_NOW)
    return f"it is {row.status} already" + (f": {row.why}" if by_itself else "")
