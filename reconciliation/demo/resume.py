"""Go on with the database of an earlier demo, whose exchange is gone.

The new exchange shows every fill that the portal knows of, holds what they add up to, and has
canceled every order that was open: what exchanges do when a client is gone for long. The portal
finds that in its first cycle; the bots close what is still open.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

from django.db.models import F, Max, Q

from reconciliation.demo.accounts import BALANCES, BotSpec
from reconciliation.demo.beliefs import BotTrade, net_quantity
from reconciliation.demo.market import paper_side
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.plans.adoption import ADOPTED_TRADE_PREFIX
from reconciliation.enums import (
    Coverage,
    Direction,
    HistorySource,
    PositionMode,
    Purpose,
    RunStatus,
    TradeStatus,
)
from reconciliation.exchange.paper.book import (
    FillKind,
    HeldSide,
    PaperAccount,
    PaperFill,
    PaperOrder,
    PaperPosition,
    PositionSide,
)
from reconciliation.models import Fill, Order, Run, Trade, TradeHistory

# Longer than the grace in which a cycle leaves what is fresh alone.
_AT_REST = timedelta(seconds=10)
_PAPER_KINDS: dict[str, FillKind] = {
    "trade": "trade",
    "liquidation": "liquidation",
    "adl": "adl",
    "delivery": "delivery",
}


def restore_exchange(paper: PaperAccount) -> None:
    """Make an empty paper account agree with the books, but for the orders that were open."""
    fills = [*_kept_fills(paper), *_delivered_fills(paper)]
    paper.put_fills(fills)
    _restore_holdings(paper, fills)
    filled: dict[str | None, Decimal] = defaultdict(Decimal)
    for fill in fills:
        filled[fill.exchange_order_id] += fill.quantity
    for order in Order.objects.filter(account__name=paper.name).active().select_related("trade"):
        if order.exchange_order_id is None:
            _refuse(paper, order)
        else:
            paper.put_orders([_canceled(paper, order, filled[order.exchange_order_id])])


def unattended_trades(spec: BotSpec) -> Iterator[BotTrade]:
    """Yield the open trades of a profile that no order at work will close.

    Only those that a complete cycle has seen at rest: before, fills that nobody has booked may have
    closed some of what the books hold, and a bot would sell it twice.
    """
    complete = Run.objects.filter(
        account__name=spec.account, status=RunStatus.SUCCEEDED, coverage=Coverage.COMPLETE
    )
    seen_at = complete.aggregate(newest=Max("as_of"))["newest"]
    if seen_at is not None:
        yield from _open_trades(spec, Q(last_activity_at__lt=seen_at - _AT_REST))


def _open_trades(spec: BotSpec, which: Q) -> Iterator[BotTrade]:
    trades = Trade.objects.filter(profile__name=spec.profile, status=TradeStatus.OPEN)
    at_work = Order.objects.filter(profile__name=spec.profile).active().values("trade_id")
    symbols = {market.symbol for market in spec.markets}
    for trade in trades.exclude(pk__in=at_work).filter(which).select_related("account"):
        if trade.symbol in symbols:
            yield _bot_trade(spec, trade)


def unheard_exits(spec: BotSpec) -> Iterator[tuple[BotTrade, PaperFill]]:
    """Yield trades of a profile with the fill of nobody that closed each, unheard by its bot."""
    nobodys = list(
        Fill.objects.filter(
            account__name=spec.account, client_order_id__isnull=True, sub_tag__isnull=True
        )
        .filter(allocated_quantity__lt=F("quantity"))
        .select_related("account")
        .order_by("pk")
    )
    for trade in _open_trades(spec, Q()):
        for fill in nobodys:
            is_exit = (fill.symbol, fill.side) == (trade.symbol, trade.side(Purpose.EXIT))
            if is_exit and fill.quantity == trade.held and fill.executed_at > trade.opened_at:
                nobodys.remove(fill)
                yield trade, _paper_fill(fill)
                break


def highest_trade_number(spec: BotSpec) -> int:
    """Return a number from which on no trade id of a profile was ever given.

    A trade that was adopted has not said its own, and one in each market may never have been
    heard of.
    """
    ids = list(Trade.objects.filter(profile__name=spec.profile).values_list("trade_id", flat=True))
    if not ids:
        return 0
    numbers = [int(found[1]) for each in ids if (found := re.fullmatch(r".*-(\d+)", each))]
    adopted = sum(each.startswith(ADOPTED_TRADE_PREFIX) for each in ids)
    return max(numbers, default=0) + adopted + len(spec.markets)


def _bot_trade(spec: BotSpec, trade: Trade) -> BotTrade:
    return BotTrade(
        trade_id=trade.trade_id,
        profile=spec.profile,
        sub_tag=spec.sub_tag,
        symbol=trade.symbol,
        direction=Direction(trade.direction),
        opened_at=trade.opened_at,
        is_hedged=_is_hedged(trade.account.position_mode, trade.symbol),
        status=TradeStatus.OPEN,
        held=trade.entry_quantity - trade.exit_quantity,
        orders_placed={
            purpose: trade.orders.filter(purpose=purpose).count() for purpose in Purpose
        },
    )


def _kept_fills(paper: PaperAccount) -> Iterator[PaperFill]:
    """Yield every fill that was read: one that is missing now would make its page unbelievable."""
    kept = Fill.objects.filter(account__name=paper.name).select_related("account")
    for fill in kept.defer("raw").order_by("pk").iterator():
        yield _paper_fill(fill)


def _paper_fill(fill: Fill) -> PaperFill:
    hedged = _is_hedged(fill.account.position_mode, fill.symbol)
    return PaperFill(
        fill_id=fill.exchange_fill_id,
        exchange_order_id=fill.exchange_order_id,
        client_order_id=fill.client_order_id,
        tag=fill.sub_tag,
        symbol=fill.symbol,
        side=paper_side(fill.side),
        position_side=_paper_position_side(fill.position_side) if hedged else None,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_currency=fill.fee_currency,
        executed_at=fill.executed_at,
        kind=_PAPER_KINDS[fill.kind],
    )


def _delivered_fills(paper: PaperAccount) -> Iterator[PaperFill]:
    """Yield the fills that a bot has delivered and no cycle has read yet."""
    kept = Fill.objects.filter(account__name=paper.name).values("exchange_fill_id")
    rows = TradeHistory.objects.filter(
        trade__account__name=paper.name,
        source=HistorySource.BOT,
        exchange_fill_id__isnull=False,
        order__isnull=False,
    ).exclude(exchange_fill_id__in=kept)
    for row in rows.select_related("order", "trade"):
        order = row.order
        if order is not None and row.exchange_fill_id is not None:
            buys_spot = ":" not in order.symbol and order.side == "buy"
            yield PaperFill(
                fill_id=row.exchange_fill_id,
                exchange_order_id=order.exchange_order_id,
                client_order_id=order.client_order_id,
                tag=order.sub_tag,
                symbol=order.symbol,
                side=paper_side(order.side),
                position_side=_side_of(paper, order),
                # The bot says what it holds; the exchange, what was executed.
                quantity=row.quantity + (row.fee or ZERO) if buys_spot else row.quantity,
                price=row.price or ZERO,
                fee=row.fee,
                fee_currency=row.fee_currency,
                executed_at=row.executed_at,
            )


def _restore_holdings(paper: PaperAccount, fills: Iterable[PaperFill]) -> None:
    held: dict[tuple[str, HeldSide], Decimal] = defaultdict(Decimal)
    balances = dict(BALANCES)
    for fill in fills:
        signed = net_quantity(fill) if fill.side == "buy" else -fill.quantity
        instrument = paper.instrument(fill.symbol)
        if instrument.is_swap:
            held[fill.symbol, fill.position_side or "net"] += signed
        else:
            balances[instrument.base] = balances.get(instrument.base, ZERO) + signed
    paper.set_balances(balances)
    paper.put_positions(
        PaperPosition(
            symbol,
            side,
            -quantity if side == "short" else quantity,
            paper.instrument(symbol).mark,
        )
        for (symbol, side), quantity in held.items()
        if quantity != 0
    )


def _canceled(paper: PaperAccount, order: Order, filled: Decimal) -> PaperOrder:
    return PaperOrder(
        exchange_order_id=order.exchange_order_id or "",
        symbol=order.symbol,
        side=paper_side(order.side),
        type="limit",
        quantity=order.quantity,
        price=order.price,
        state="canceled",
        filled=filled,
        average_price=order.price if filled else None,
        created_at=order.created_at,
        updated_at=paper.now(),
        client_order_id=order.client_order_id,
        tag=order.sub_tag,
        position_side=_side_of(paper, order),
        order_class="conditional" if order.order_class == "conditional" else "regular",
        trigger_price=order.price if order.order_class == "conditional" else None,
    )


def _refuse(paper: PaperAccount, order: Order) -> None:
    """Cancel an order whose id at the exchange nobody learnt: it gets one, as any order does."""
    placed = paper.place(
        order.symbol,
        paper_side(order.side),
        order.quantity,
        order.price,
        client_order_id=order.client_order_id,
        tag=order.sub_tag,
        position_side=_side_of(paper, order),
        at=order.created_at,
    )
    paper.cancel(placed.exchange_order_id)


def _side_of(paper: PaperAccount, order: Order) -> PositionSide | None:
    """Return the side that an order names in hedge mode: an adopted one has it of its own."""
    if not _is_hedged(paper.position_mode, order.symbol):
        return None
    direction = order.trade.direction if order.trade is not None else order.position_side
    return _paper_position_side(direction)


def _paper_position_side(side: str | None) -> PositionSide:
    return "short" if side == Direction.SHORT else "long"


def _is_hedged(position_mode: str, symbol: str) -> bool:
    return position_mode == PositionMode.HEDGE and ":" in symbol
