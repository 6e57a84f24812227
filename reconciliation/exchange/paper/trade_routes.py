"""The endpoints of orders, algo orders and fills."""

from collections.abc import Callable, Collection
from datetime import timedelta

from reconciliation.exchange.paper.answers import (
    Row,
    either_missing,
    no_such_order,
    parameter_error,
)
from reconciliation.exchange.paper.paging import Page, parse_page
from reconciliation.exchange.paper.questions import Question, is_among, single, symbols_of
from reconciliation.exchange.paper.records import ZERO, PaperFill, PaperOrder
from reconciliation.exchange.paper.units import instrument_id
from reconciliation.exchange.paper.wire_orders import (
    algo_behind,
    algo_row,
    algo_state,
    algo_type,
    changed_at,
    fill_row,
    order_row,
    sub_type,
    visible_fills,
)

ALGO_ORDER_TYPES = ("conditional", "oco", "move_order_stop", "trigger", "iceberg", "twap", "chase")
ALGO_PENDING_STATES = ("live", "partially_effective")


def orders_pending(question: Question) -> Page[Row]:
    return _orders(question, lambda order: order.is_open)


def orders_history(question: Question) -> Page[Row]:
    question.require("instType")
    return _finished_orders(question, question.retention.orders)


def orders_history_archive(question: Question) -> Page[Row]:
    question.require("instType")
    return _finished_orders(question, question.retention.orders_archive)


def order(question: Question) -> Page[Row]:
    """Return one regular order by `ordId`, else by `clOrdId` (the latest of several)."""
    view, wanted = question.view, question.require("instId")
    order_id, client_order_id = question.get("ordId"), question.get("clOrdId")
    if order_id is None and client_order_id is None:
        raise either_missing("ordId", "clOrdId")
    for found in view.orders.rows:
        named = (
            found.exchange_order_id == order_id
            if order_id is not None
            else found.client_order_id == client_order_id
        )
        if (
            named
            and not found.is_algo
            and instrument_id(view.instruments[found.symbol]) == wanted
            and _is_kept(question, found, question.retention.orders_archive)
        ):
            return single(order_row(view, found, question.now))
    raise no_such_order()


def algo_orders_pending(question: Question) -> Page[Row]:
    types = _algo_types(question)
    states = ALGO_PENDING_STATES
    return _algo_orders(question, types, lambda state: state in states)


def algo_orders_history(question: Question) -> Page[Row]:
    types, state = _algo_types(question), question.get("state")
    if state is None and question.get("algoId") is None:
        raise either_missing("state", "algoId")
    return _algo_orders(
        question,
        types,
        lambda found: found not in ALGO_PENDING_STATES and state in (None, found),
    )


def algo_order(question: Question) -> Page[Row]:
    """Return one algo order by `algoId`, else by `algoClOrdId` (the latest of several)."""
    view = question.view
    algo_id, client_order_id = question.get("algoId"), question.get("algoClOrdId")
    if algo_id is not None:
        found = algo_behind(view, algo_id)
    elif client_order_id is not None:
        algos = (each for each in view.orders.rows if each.is_algo)
        found = next((each for each in algos if each.client_order_id == client_order_id), None)
    else:
        raise either_missing("algoId", "algoClOrdId")
    if found is None:
        raise no_such_order()
    return single(algo_row(view, found))


def fills(question: Question) -> Page[Row]:
    return _fills(question, question.retention.fills)


def fills_history(question: Question) -> Page[Row]:
    question.require("instType")
    return _fills(question, question.retention.fills_history)


def _orders(question: Question, keep: Callable[[PaperOrder], bool]) -> Page[Row]:
    symbols = symbols_of(question)
    wanted_type, wanted_state = question.get("ordType"), question.get("state")

    def wanted(found: PaperOrder) -> bool:
        return (
            not found.is_algo
            and found.symbol in symbols
            and is_among(found.type, wanted_type)
            and is_among(found.state, wanted_state)
            and keep(found)
        )

    page = question.view.orders.page(parse_page(question.query), wanted)
    rows = tuple(order_row(question.view, found, question.now) for found in page.rows)
    return Page(rows, page.has_more)


def _finished_orders(question: Question, kept_for: timedelta) -> Page[Row]:
    return _orders(
        question, lambda found: not found.is_open and _is_kept(question, found, kept_for)
    )


def _is_kept(question: Question, found: PaperOrder, kept_for: timedelta) -> bool:
    if found.is_open:
        return True
    if found.state == "canceled" and found.filled == ZERO:
        canceled_at = found.updated_at
        return canceled_at is None or (
            question.now - canceled_at <= question.retention.unfilled_cancels
        )
    shown = visible_fills(question.view, found, question.now)
    return question.now - changed_at(found, shown) <= kept_for


def _algo_types(question: Question) -> Collection[str]:
    """Return the asked types; only conditional and oco may be asked for together."""
    types = question.require("ordType").split(",")
    together = {"conditional", "oco"}
    if any(each not in ALGO_ORDER_TYPES for each in types) or (
        len(types) > 1 and not together.issuperset(types)
    ):
        raise parameter_error("ordType")
    return types


def _algo_orders(
    question: Question, types: Collection[str], in_state: Callable[[str], bool]
) -> Page[Row]:
    view, symbols, algo_id = question.view, symbols_of(question), question.get("algoId")

    def wanted(found: PaperOrder) -> bool:
        return (
            found.is_algo
            and found.symbol in symbols
            and algo_type(found) in types
            and algo_id in (None, found.exchange_order_id)
            and in_state(algo_state(view, found))
        )

    page = view.orders.page(parse_page(question.query), wanted)
    return Page(tuple(algo_row(view, found) for found in page.rows), page.has_more)


def _fills(question: Question, kept_for: timedelta) -> Page[Row]:
    view, symbols = question.view, symbols_of(question)
    order_id, wanted_sub_type = question.get("ordId"), question.get("subType")

    def wanted(found: PaperFill) -> bool:
        return (
            found.is_visible(question.now)
            and found.symbol in symbols
            and order_id in (None, found.exchange_order_id)
            and is_among(sub_type(found), wanted_sub_type)
            and question.now - found.executed_at <= kept_for
        )

    page = view.fills.page(parse_page(question.query), wanted)
    return Page(tuple(fill_row(view, found) for found in page.rows), page.has_more)
