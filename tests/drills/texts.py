"""Texts of drills for tests: a scene, and what a test adds to it or changes."""

from reconciliation.drills.grammar.drill import parse_drill
from reconciliation.drills.schema import Drill
from reconciliation.drills.source import parse_source

FILE = "d.yaml"
# Seven lines, so that what a test adds begins in line 8.
HEAD = """\
drill: example
now: "2026-01-05T12:00:00Z"
accounts: {main: {exchange: okx, position_mode: net}, other: {exchange: okx, position_mode: hedge}}
profiles:
  alpha: {account: main, sub_tag: alpha01, allocated_capital_usd: "100000"}
  beta: {account: main, sub_tag: beta01, allocated_capital_usd: "1000"}
  gamma: {account: other, sub_tag: gamma01, allocated_capital_usd: "1000"}
"""
HEAD_LINES = HEAD.count("\n")
TRADE = 'T1: {profile: alpha, symbol: "BTC/USDT:USDT", direction: long, opened_at: -2h}'
ORDER = (
    'O1: {trade: T1, purpose: ENTRY, side: buy, type: limit, quantity: "0.5", price: "60000",'
    " status: OPEN, created_at: -2h, client_order_id: auto}"
)
BOOKS = f"""\
database:
  trades:
    {TRADE}
  orders:
    {ORDER}
"""


def parse(text: str, *, head: str = HEAD) -> Drill:
    """Return the drill of a text behind a head."""
    return parse_drill(parse_source(head + text, file=FILE))
