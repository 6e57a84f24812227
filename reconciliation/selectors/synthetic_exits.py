"""Exits that were booked without a fill, as far as fills that nobody booked could be theirs."""

from collections.abc import Iterable, Mapping

from django.db.models import QuerySet

from reconciliation.domain.books import KeptFill, RealExit, StandingExits, SyntheticExit, TradeState
from reconciliation.domain.plans.reversals import is_synthetic
from reconciliation.enums import SYNTHETIC_SOURCES, HistoryKind, HistorySource
from reconciliation.models import TradeHistory
from reconciliation.selectors.lists import id_list, text_list


def find_synthetically_exited(account_id: int, unbooked: Iterable[KeptFill]) -> set[int]:
    """Return the trades with such exits in the symbols of unbooked fills; none without a fill.

    What a person exited without a fill, and what is left of it, is found by his decision.
    """
    symbols = {kept.fill.symbol for kept in unbooked}
    if not symbols:
        return set()
    rows = _synthetic().filter(trade__account_id=account_id, trade__symbol__in=text_list(symbols))
    automatic = rows.filter(source=HistorySource.SYNTHETIC)
    by_decision = TradeHistory.objects.filter(decision__isnull=False).order_by()
    decided = rows.filter(
        source=HistorySource.OPERATOR, trade_id__in=by_decision.values("trade_id")
    )
    return set(automatic.union(decided).values_list("trade_id", flat=True))


def load_synthetic_exits(
    trades: Mapping[int, TradeState], unbooked: Iterable[KeptFill]
) -> dict[int, StandingExits]:
    """Return by trade the exits that stand, of the trades of which some have no fill.

    Only of the symbols of unbooked fills: nothing else could be the real exit.
    """
    symbols = {kept.fill.symbol for kept in unbooked}
    concerned = [trade.id for trade in trades.values() if trade.symbol in symbols]
    if not concerned:
        return {}
    synthetic = _synthetic().filter(
        source__in=sorted(SYNTHETIC_SOURCES), trade_id__in=id_list(concerned)
    )
    found: dict[int, list[TradeHistory]] = {}
    for row in _standing().filter(trade_id__in=synthetic.values("trade_id")).order_by("pk"):
        found.setdefault(row.trade_id, []).append(row)
    return {trade_id: standing_exits(rows) for trade_id, rows in found.items()}


def standing_exits(rows: Iterable[TradeHistory]) -> StandingExits:
    """Return EXIT rows that stand as the domain sees them."""
    synthetic, real = [], []
    for row in rows:
        if is_synthetic(row.source, row.exchange_fill_id):
            synthetic.append(
                SyntheticExit(
                    id=row.pk,
                    key=row.key,
                    source=HistorySource(row.source),
                    quantity=row.booked_quantity,
                    price=row.price,
                    executed_at=row.executed_at,
                    estimated=row.estimated,
                    evidence_hash=row.evidence_hash,
                )
            )
        else:
            real.append(
                RealExit(
                    quantity=row.booked_quantity,
                    price=row.price,
                    executed_at=row.executed_at,
                    is_dust=row.source == HistorySource.DUST,
                )
            )
    return StandingExits(synthetic=tuple(synthetic), real=tuple(real))


def _standing() -> QuerySet[TradeHistory]:
    return TradeHistory.objects.filter(
        kind=HistoryKind.EXIT, booked_quantity__gt=0, reversed_by__isnull=True
    ).order_by()


def _synthetic() -> QuerySet[TradeHistory]:
    return _standing().filter(exchange_fill_id__isnull=True)
