"""What a drill that is right becomes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from reconciliation.domain.keys import client_order_id, trade_code
from reconciliation.drills.errors import DrillError
from reconciliation.drills.grammar import steps
from reconciliation.drills.grammar.expectations import EXPECTATIONS as EXPECTATION_READERS
from reconciliation.drills.grammar.steps import STEPS as STEP_READERS
from reconciliation.drills.schema import (
    ConcurrentStep,
    DatabaseStep,
    DisposeStep,
    ExchangeStep,
    FaultStep,
    LockStep,
    ReviewStep,
    Rows,
    RunStep,
    TamperStep,
    Words,
)
from reconciliation.drills.served import (
    EXPECTATIONS,
    OF_THE_RUNNER,
    STEPS,
    refuse_what_is_not_served,
)
from reconciliation.enums import (
    Direction,
    HistorySource,
    OrderClass,
    OrderStatus,
    Purpose,
    TradeStatus,
)
from tests.drills.texts import BOOKS, FILE, HEAD, HEAD_LINES, TRADE, parse

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
D = Decimal


def own_id(trade: str, purpose: Purpose = Purpose.ENTRY, sequence: int = 1) -> str:
    return client_order_id(sub_tag="alpha01", trade_id=trade, purpose=purpose, sequence=sequence)


def exchange_id(row_id: str, *, rest: str = "", head: str = HEAD) -> str | None:
    """Return the client order id that a fill's text stands for."""
    text = f"""\
exchange:
  main:
    fills:
      - {{fill_id: "1", symbol: "BTC/USDT:USDT", side: buy, quantity: "1", price: "1", at: 0s,
         client_order_id: "{row_id}"{rest}}}
"""
    (change,) = parse(BOOKS + text, head=head).exchange
    assert change.fills is not None
    return change.fills[0].client_order_id


def test_the_scene_of_a_drill() -> None:
    drill = parse('instruments: {"BTC/USDT:USDT": {mark: "61000"}}\nenv: {RECON_LOCK_TTL_MS: 2000}')

    assert (drill.name, drill.now, drill.file) == ("example", NOW, FILE)
    assert drill.accounts["other"].position_mode == "hedge"
    assert drill.profiles["beta"].allocated_capital_usd == 1000
    assert drill.instruments["BTC/USDT:USDT"].mark == 61000
    assert drill.instruments["BTC/USDT:USDT"].contract_size == D("0.01")
    assert drill.instruments["ETH/USDT"].mark == 3000
    assert drill.conf.lock_ttl == timedelta(seconds=2)
    assert drill.conf.inflight_grace == timedelta(seconds=5)


def test_the_operators_settings_do_not_reach_a_drill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECON_LOCK_TTL_MS", "1000")

    assert parse("").conf.lock_ttl == timedelta(seconds=15)


def test_what_the_trading_system_writes_is_one_delivery_an_account() -> None:
    text = """\
database:
  trades:
    T1: {profile: alpha, symbol: "BTC/USDT:USDT", direction: long, opened_at: -2h, sub_tag: alpha01}
    G1: {profile: gamma, symbol: "ETH/USDT", direction: short, opened_at: 2026-01-05T11:00:00Z,
         status: CLOSED}
  orders:
    O1: {trade: T1, purpose: ENTRY, side: buy, type: limit, quantity: "0.5", price: "60000",
         status: FILLED, created_at: -2h, client_order_id: auto, sequence: 2}
    O2: {profile: alpha, symbol: "BTC/USDT", purpose: EXIT, side: sell, type: market, quantity: "1",
         status: OPEN, created_at: -1500ms, exchange_order_id: "7", class: conditional}
  history:
    - {trade: T1, kind: ENTRY, quantity: "0.5", price: "60000", at: -2h, fill_id: "9001", order: O1}
    - {trade: T1, kind: EXIT, quantity: "0.5", at: -1h, source: OPERATOR}
  positions:
    - {profile: gamma, symbol: "ETH/USDT", direction: short, quantity: "2", entry_price: null}
"""
    change = parse(text).database

    main, other = change.deliveries
    assert (main.account, other.account) == ("main", "other")
    (trade,) = main.trades
    assert trade.opened_at == NOW - timedelta(hours=2)
    assert (trade.status, trade.sub_tag) == (None, "alpha01")
    first, second = main.orders
    assert first.client_order_id == own_id("T1", sequence=2)
    assert (first.profile, first.symbol) == ("alpha", "BTC/USDT:USDT")
    assert first.filled_quantity == D("0.5")
    assert (second.client_order_id, second.filled_quantity) == (None, 0)
    assert second.order_class is OrderClass.CONDITIONAL
    assert second.created_at == NOW - timedelta(milliseconds=1500)
    entry, exit_ = main.history
    assert (entry.order_ref, entry.source) == (first.client_order_id, HistorySource.BOT)
    assert (exit_.order_ref, exit_.price, exit_.source) == (None, None, HistorySource.OPERATOR)
    assert other.trades[0].status is TradeStatus.CLOSED
    assert other.positions[0].direction is Direction.SHORT
    assert [each.key for each in change.orders] == ["O1", "O2"]


def test_the_same_history_row_is_a_repeat_and_an_equal_one_of_the_list_is_not() -> None:
    row = "{trade: T1, kind: ENTRY, quantity: '0.5', price: '60000', at: -2h}"
    rows = f"history: [{row}, {row}]"
    drill = parse(f"{BOOKS}  {rows}\nsteps: [{{database: {{{rows}}}}}]\n")

    (step,) = drill.steps
    assert isinstance(step, DatabaseStep)
    first = [each.row_id for each in drill.database.deliveries[0].history]
    again = [each.row_id for each in step.change.deliveries[0].history]
    assert first == again
    assert len(set(first)) == 2


def test_a_later_section_changes_what_it_names_and_delivers_the_whole_row() -> None:
    drill = parse(
        BOOKS
        + """\
steps:
  - database:
      trades: {T1: {status: CLOSED}}
      orders: {O1: {status: FILLED, filled: "0.5", price: null, exchange_order_id: "8"}}
"""
    )

    (step,) = drill.steps
    assert isinstance(step, DatabaseStep)
    (delivery,) = step.change.deliveries
    assert delivery.trades[0].opened_at == NOW - timedelta(hours=2)
    assert delivery.trades[0].status is TradeStatus.CLOSED
    (order,) = delivery.orders
    assert (order.status, order.filled_quantity) == (OrderStatus.FILLED, D("0.5"))
    assert (order.price, order.quantity) == (None, D("0.5"))
    assert order.client_order_id == own_id("T1")
    assert step.change.orders[0].exchange_order_id == "8"


def test_auto_ids_are_those_of_the_trades_own_profile() -> None:
    assert exchange_id("auto:T1:EXIT:3") == own_id("T1", Purpose.EXIT, 3)
    assert exchange_id("auto:T1:ENTRY") == own_id("T1")
    assert exchange_id("auto:T1:ENTRY:1", rest=", tag: beta01") == own_id("T1")
    assert exchange_id("anything else") == "anything else"


def test_a_trade_that_no_section_knows_is_the_tags_or_the_only_profiles() -> None:
    only_alpha = "\n".join(each for each in HEAD.split("\n") if "beta" not in each)

    assert exchange_id("auto:T9:ENTRY:1", rest=", tag: alpha01") == own_id("T9")
    assert exchange_id("auto:T9:ENTRY:1", head=only_alpha) == own_id("T9")
    with pytest.raises(DrillError, match="has 2 profiles"):
        exchange_id("auto:T9:ENTRY:1", rest=", tag: stranger")


def test_the_drills_name_of_a_trade_is_known_by_the_code_in_its_orders_ids() -> None:
    text = """\
exchange:
  main:
    fills:
      - {fill_id: "1", symbol: "BTC/USDT:USDT", side: buy, quantity: "1", price: "1", at: 0s,
         tag: alpha01, client_order_id: "auto:T9:ENTRY:1"}
"""

    assert parse(text).trade_codes == {trade_code("alpha01", "T9"): "T9"}


def test_a_trade_that_a_later_step_writes_names_ids_from_the_start() -> None:
    drill = parse(
        f"""\
exchange:
  main:
    orders:
      - {{exchange_order_id: "1", symbol: "BTC/USDT:USDT", side: buy, type: limit, quantity: "1",
         state: live, created_at: -1h, client_order_id: "auto:T1:ENTRY:1"}}
steps:
  - database: {{trades: {{{TRADE}}}}}
"""
    )

    orders = drill.exchange[0].orders
    assert orders is not None
    assert orders[0].client_order_id == own_id("T1")


def test_what_becomes_true_at_the_exchange() -> None:
    drill = parse(
        """\
steps:
  - exchange:
      main:
        positions: []
        balances: {USDT: "-5.5"}
        marks: {"BTC/USDT:USDT": "61000"}
      other:
        orders+:
          - {exchange_order_id: "1", symbol: "ETH/USDT:USDT", side: sell, type: market,
             quantity: "1", state: filled, created_at: 30s, position_side: short,
             class: conditional, parent: "0", trade_hint: T7}
        fills+:
          - {fill_id: "2", symbol: "ETH/USDT:USDT", side: sell, quantity: "1", price: "3000",
             at: 30s, kind: liquidation, fee: "-0.1", position_side: short}
        positions+: [{symbol: "ETH/USDT:USDT", side: short, quantity: "1"}]
"""
    )

    (step,) = drill.steps
    assert isinstance(step, ExchangeStep)
    main, other = step.changes
    assert (main.positions, main.orders, main.fills) == ((), None, None)
    assert main.balances == {"USDT": D("-5.5")}
    assert main.marks == {"BTC/USDT:USDT": 61000}
    assert (other.positions, other.balances) == (None, None)
    (order,) = other.more_orders
    assert (order.filled, order.parent, order.trade_hint) == (1, "0", "T7")
    assert order.created_at == NOW + timedelta(seconds=30)
    (fill,) = other.more_fills
    assert (fill.kind, fill.fee, fill.exchange_order_id) == ("liquidation", D("-0.1"), None)
    assert other.more_positions[0].side == "short"


def test_steps_become_what_they_say() -> None:
    drill = parse(
        BOOKS
        + """\
steps:
  - reconcile
  - {reconcile: {account: main}}
  - {heartbeat: null}
  - fault: {account: main, endpoint: any, kind: skew}
  - fault: {account: main, endpoint: fills, kind: short_page, times: always}
  - lock: {profile: alpha, for: 10m}
  - concurrently: [reconcile, heartbeat]
  - tamper: {table: audit, sequence: 3, set: {reason: X, run_id: 4}}
  - approve: {queue: quarantine, trade: T1, by: ann, reason: CONFIRMED_FLAT, quantity: "0.2"}
  - adopt: {exchange_order: "1009", profile: alpha, trade: T5, by: ann}
  - reject: {queue: backfill, fill: "9", trade: T5, by: ann}
"""
    )

    whole, narrowed, beat, once, always, lock, both, tamper, approve, adopt, reject = drill.steps
    assert whole == RunStep(name="reconcile", line=HEAD_LINES + 7)
    assert isinstance(narrowed, RunStep)
    assert (narrowed.account, beat.name) == ("main", "heartbeat")
    assert isinstance(once, FaultStep)
    assert isinstance(always, FaultStep)
    assert (once.times, always.times) == (1, None)
    assert isinstance(lock, LockStep)
    assert lock.duration == timedelta(minutes=10)
    assert isinstance(both, ConcurrentStep)
    assert [each.name for each in both.steps] == ["reconcile", "heartbeat"]
    assert isinstance(tamper, TamperStep)
    assert tamper.values == {"reason": "X", "run_id": 4}
    assert isinstance(approve, ReviewStep)
    assert (approve.trade, approve.quantity, approve.comment) == ("T1", D("0.2"), "")
    assert isinstance(adopt, DisposeStep)
    assert isinstance(reject, ReviewStep)
    assert (adopt.exchange_order, reject.trade) == ("1009", "T5")


def test_expectations_become_values_to_compare() -> None:
    drill = parse(
        BOOKS.replace("client_order_id: auto", 'client_order_id: auto, exchange_order_id: "501"')
        + """\
expect:
  trades: {T1: {status: OPEN, open_quantity: 0}, T9: {status: CLOSED}}
  orders: {"501": {status: OPEN}, "999": {filled: "0.50"}}
  mismatches: [{kind: MISSING_IN_DB, order: "501", trade: null}]
  positions: [{profile: alpha, direction: short, quantity: "-2"}]
  pauses: {alpha: {sources: []}}
  gate: {alpha: {reasons: [STALE, MISMATCH]}}
  metrics: {'x_total{b="2",a="1"}': 1}
  health: {status: ok, reconciliationLastRun: null, accounts: [{account: main}]}
  quarantine: []
"""
    )

    found = {each.key: each.value for each in drill.expectations}
    assert found == {
        "trades": {"T1": {"status": "OPEN", "open_quantity": 0}, "T9": {"status": "CLOSED"}},
        "orders": {"O1": {"status": "OPEN"}, "999": {"filled": D("0.5")}},
        "mismatches": Rows(({"kind": "MISSING_IN_DB", "order": "O1", "trade": None},)),
        "positions": Rows(({"profile": "alpha", "direction": "short", "quantity": D(2)},)),
        "pauses": {"alpha": {"sources": Words(())}},
        "gate": {"alpha": {"reasons": Words(("STALE", "MISMATCH"))}},
        "metrics": {'x_total{a="1",b="2"}': 1},
        "health": {
            "status": "ok",
            "reconciliationLastRun": None,
            "accounts": Rows(({"account": "main"},)),
        },
        "quarantine": Rows(()),
    }


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("steps:\n  - reconcile\n  - nonesuch\n", "d.yaml:10: step 'nonesuch'"),
        ("steps:\n  - concurrently: [reconcile, nonesuch]\n", "d.yaml:9: step 'nonesuch'"),
        ("steps:\n  - expect: {audit: {}, unheard: 1}\n", "d.yaml:9: expectation 'unheard'"),
        ("expect:\n  audit: {}\n  unheard: 1\n", "d.yaml:10: expectation 'unheard'"),
    ],
)
def test_what_this_version_does_not_serve_is_refused(
    text: str, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Words that the language has and no version will ever serve.
    monkeypatch.setitem(STEP_READERS, "nonesuch", STEP_READERS["restart"])
    monkeypatch.setitem(EXPECTATION_READERS, "unheard", EXPECTATION_READERS["corrections"])
    monkeypatch.setattr(steps, "CONCURRENT", (*steps.CONCURRENT, "nonesuch"))
    drill = parse(text)

    with pytest.raises(DrillError) as caught:
        refuse_what_is_not_served(drill)

    place, _, what = error.partition(": ")
    assert str(caught.value) == f"{place}: not served by this version: {what}"


def test_nothing_is_served_that_the_language_does_not_have() -> None:
    assert {*STEPS, *OF_THE_RUNNER} <= {*STEP_READERS}
    assert {*EXPECTATIONS} <= {*EXPECTATION_READERS}
