"""The endpoints of the clock, the markets and the account itself."""

from datetime import timedelta

from reconciliation.exchange.paper.answers import Row
from reconciliation.exchange.paper.paging import Page, parse_page
from reconciliation.exchange.paper.questions import (
    Question,
    instruments_of,
    is_among,
    single,
    symbols_of,
    whole,
)
from reconciliation.exchange.paper.records import ZERO, PaperFill
from reconciliation.exchange.paper.store import Bill
from reconciliation.exchange.paper.wire import instrument_row, mark_price_row, ticker_row
from reconciliation.exchange.paper.wire_account import (
    balance_row,
    bill_currency,
    bill_row,
    bill_type,
    config_row,
    position_row,
)


def server_time(question: Question) -> Page[Row]:
    return single({"ts": str(question.wall_ms)})


def instruments(question: Question) -> Page[Row]:
    chosen = instruments_of(question, type_required=True)
    return whole([instrument_row(each) for each in chosen])


def ticker(question: Question) -> Page[Row]:
    question.require("instId")
    chosen = instruments_of(question)
    return whole([ticker_row(each, question.now) for each in chosen])


def tickers(question: Question) -> Page[Row]:
    chosen = instruments_of(question, type_required=True)
    return whole([ticker_row(each, question.now) for each in chosen])


def mark_price(question: Question) -> Page[Row]:
    # The exchange marks spot pairs for margin trading, and files them there.
    by_type = question.get("instId") is None
    chosen = instruments_of(question, type_required=by_type, spot_type="MARGIN")
    return whole([mark_price_row(each, question.now) for each in chosen])


def account_config(question: Question) -> Page[Row]:
    return single(config_row(question.view))


def balance(question: Question) -> Page[Row]:
    row = balance_row(question.view, question.now)
    wanted = question.get("ccy")
    details = row["details"]
    if wanted is not None and isinstance(details, list):
        row["details"] = [each for each in details if each["ccy"] in wanted.split(",")]
    return single(row)


def positions(question: Question) -> Page[Row]:
    """Return what is held, newest first; sizes of zero only where the account shows them."""
    view = question.view
    chosen = {each.symbol for each in instruments_of(question)}
    held = [
        each
        for each in view.positions
        if each.position.symbol in chosen
        and (view.include_flat_positions or each.position.quantity != ZERO)
    ]
    held.sort(key=lambda each: each.opened_at, reverse=True)
    return whole([position_row(view, each) for each in held])


def bills(question: Question) -> Page[Row]:
    return _bills(question, question.retention.bills)


def bills_archive(question: Question) -> Page[Row]:
    return _bills(question, question.retention.bills_archive)


def _bills(question: Question, kept_for: timedelta) -> Page[Row]:
    view = question.view
    narrowed = question.get("instType") or question.get("instId")
    symbols = symbols_of(question)
    wanted_type, currency = question.get("type"), question.get("ccy")

    def wanted(found: Bill) -> bool:
        if not is_among(bill_type(found), wanted_type):
            return False
        row_currency = bill_currency(view, found)
        if currency not in (None, row_currency):
            return False
        if isinstance(found, PaperFill):
            recent = question.now - found.executed_at <= kept_for
            return recent and found.is_visible(question.now) and found.symbol in symbols
        return not narrowed and question.now - found.at <= kept_for

    page = view.bills.page(parse_page(question.query), wanted)
    return Page(tuple(bill_row(view, found) for found in page.rows), page.has_more)
