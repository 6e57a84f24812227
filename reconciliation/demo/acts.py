"""Drifts that are done at once, rather than to an order in the course of its life."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from reconciliation.demo.beliefs import BotTrade
from reconciliation.demo.bots import Bot
from reconciliation.demo.market import held_on_side, paper_side
from reconciliation.demo.strangers import Strangers
from reconciliation.enums import Purpose
from reconciliation.exchange.paper.book import PaperAccount, PaperFill


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Who may play a part in a drift."""

    bots: Sequence[Bot]
    strangers: Strangers
    random: Random

    def in_any_order(self) -> list[Bot]:
        """Return the bots as the dice shuffle them."""
        return self.random.sample(self.bots, len(self.bots))


Act = Callable[[Stage], str | None]
"""Do it now; return where, or None when nothing was done because it is not possible now."""


def order_never_placed(stage: Stage) -> str | None:
    """Let a bot deliver an order that the exchange never got."""
    return _where(stage.random.choice(stage.bots).deliver_order_never_placed())


def stale_row(stage: Stage) -> str | None:
    """Let a bot deliver once more what was first said of an order that has ended."""
    for bot in stage.in_any_order():
        row = bot.deliver_stale_row()
        if row is not None:
            return f"{row.trade_id}, {row.symbol}"
    return None


def wrong_position(stage: Stage) -> str | None:
    """Let a bot deliver a position that it does not hold."""
    for bot in stage.in_any_order():
        trade = bot.deliver_wrong_position()
        if trade is not None:
            return _where(trade)
    return None


def order_by_hand(stage: Stage) -> str | None:
    """Let a person place an order that names nobody."""
    return stage.strangers.leave_order()


def trade_by_hand(stage: Stage) -> str | None:
    """Let a person trade in a market of nobody."""
    return stage.strangers.trade()


def closed_by_hand(stage: Stage) -> str | None:
    """Let a person close a trade at the exchange, past its bot."""
    return _close(stage, _sell_out)


def liquidated(stage: Stage) -> str | None:
    """Let the exchange liquidate what a trade holds."""
    return _close(stage, _liquidate)


def _close(stage: Stage, close: Callable[[PaperAccount, BotTrade], PaperFill]) -> str | None:
    for bot in stage.in_any_order():
        for slot in bot.quiet_slots():
            trade = slot.trade
            if trade is None:
                continue
            if held_on_side(bot.exchange, trade.symbol, trade.direction) >= trade.held:
                bot.hear_later(trade, close(bot.exchange, trade))
                slot.release()
                return _where(trade)
    return None


def _sell_out(exchange: PaperAccount, trade: BotTrade) -> PaperFill:
    placed = exchange.place(
        trade.symbol,
        paper_side(trade.side(Purpose.EXIT)),
        trade.held,
        type="market",
        position_side=trade.position_side,
    )
    return exchange.fill(placed.exchange_order_id)


def _liquidate(exchange: PaperAccount, trade: BotTrade) -> PaperFill:
    return exchange.liquidate(trade.symbol, trade.position_side or "net", quantity=trade.held)


def _where(trade: BotTrade) -> str:
    return f"{trade.trade_id}, {trade.symbol}"
