"""What a drill cannot mean is an error with its file and line, and with what was meant."""

import pytest

from reconciliation.drills.errors import DrillError
from tests.drills.texts import BOOKS, HEAD, HEAD_LINES, ORDER, TRADE, parse

EXCHANGE_ORDER = (
    '{exchange_order_id: "1", symbol: "BTC/USDT:USDT", side: buy, type: limit, quantity: "0.5",'
    " state: live, created_at: -1h"
)
FILL = '{fill_id: "9", symbol: "BTC/USDT:USDT", side: buy, quantity: "0.5", price: "60000", at: -1h'


def error_of(text: str, *, head: str = HEAD) -> str:
    with pytest.raises(DrillError) as caught:
        parse(text, head=head)
    return str(caught.value)


def line(number: int) -> str:
    """Return the place of a line behind the head."""
    return f"d.yaml:{HEAD_LINES + number}: "


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("drill: example\n", "", "d.yaml:1: a drill needs the key 'drill'"),
        ("now:", "noww:", "d.yaml:2: a drill has no key 'noww'; did you mean 'now'?"),
        ('"2026-01-05T12:00:00Z"', "-2h", "d.yaml:2: now must be ISO 8601 such as"),
        ('"2026-01-05T12:00:00Z"', "0001-01-01T00:00:00+14:00", "d.yaml:2: now must be"),
        ('"2026-01-05T12:00:00Z"', "2026-01-05T12:00:00", "d.yaml:2: now needs its time zone"),
        (
            "exchange: okx",
            "exchange: binance",
            "d.yaml:3: exchange cannot be 'binance'; known: okx",
        ),
        ("position_mode: net", "position_mode: Net", "did you mean 'net'?"),
        ("account: other", "account: mian", "d.yaml:7: there is no account 'mian'; did you mean"),
        ("sub_tag: beta01", "sub_tag: alpha01", "d.yaml:6: profile alpha has the sub tag"),
        ('"1000"}\n  gamma', "1000}\n  gamma", "d.yaml:6: allocated_capital_usd must be a decimal"),
        ('"100000"', "1.5", "d.yaml:5: allocated_capital_usd must be a decimal in quotes"),
        ('"100000"', '"-1"', "d.yaml:5: allocated_capital_usd must not be negative"),
        ("alpha: {", "al pha: {", "d.yaml:5: profile 'al pha': a name is letters"),
    ],
)
def test_a_wrong_head_is_refused(old: str, new: str, error: str) -> None:
    assert error in error_of("", head=HEAD.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("env: {RECON_INFLIGHT_GRACE: '1'}", "did you mean 'RECON_INFLIGHT_GRACE_MS'?"),
        ("env: {PATH: x}", line(1) + "there is no setting 'PATH'"),
        ("env: {RECON_INTERVAL_SECONDS: '0'}", "is not a whole number from 1 to 86400"),
        ("env: {RECON_INTERVAL_SECONDS: 1.5}", 'must be text, not the number 1.5: write "1.5"'),
        ('instruments: {"BTC/USDT:USDT": {mark: 60000}}', 'not the number 60000: write "60000"'),
        ('instruments: {"XRP/USDT": {mark: "1"}}', "needs the key 'amount_step'"),
        ('instruments: {"XRP/USDT": {contract_size: "1"}}', "has no key 'contract_size'"),
        ("steps: {}", "steps must be a list, not a mapping"),
        ("expect: []", "expect must be a mapping (key: value), not a list"),
    ],
)
def test_wrong_settings_and_instruments_are_refused(text: str, error: str) -> None:
    found = error_of(text)

    assert found.startswith(line(1))
    assert error in found


@pytest.mark.parametrize(
    ("old", "new", "number", "error"),
    [
        (
            "profile: alpha",
            "profile: alhpa",
            3,
            "there is no profile 'alhpa'; did you mean 'alpha'",
        ),
        ("BTC/USDT:USDT", "BTC/USDT:USD", 3, "there is no symbol 'BTC/USDT:USD'; did you mean"),
        ("direction: long", "direction: up", 3, "direction cannot be 'up'; known: long, short"),
        ("opened_at: -2h", "opened_at: 2 hours", 3, "opened_at must be ISO 8601 such as"),
        ("opened_at: -2h", "opened_at: -9999999d", 3, "opened_at must be ISO 8601 such as"),
        ("opened_at: -2h", "opened_at: null", 3, "opened_at must be ISO 8601 such as"),
        ("direction: long, ", "", 3, "trade T1 needs the key 'direction'"),
        ("trade: T1", "trade: T2", 5, "there is no trade 'T2'; known: T1"),
        ("trade: T1, ", "", 5, "order O1 needs the key 'trade', or 'profile' and 'symbol'"),
        (
            "client_order_id: auto",
            "sub_tag: a",
            5,
            "needs a client_order_id or an exchange_order_id",
        ),
        ('quantity: "0.5"', "quantity: 0.5", 5, "must be a decimal in quotes, not the number 0.5"),
        ('quantity: "0.5"', 'quantity: "0"', 5, "quantity must be above zero"),
        ('quantity: "0.5"', 'quantity: "x"', 5, "'x' is not a number"),
        ("status: OPEN", "status: open", 5, "status cannot be 'open'; did you mean 'OPEN'?"),
        ("purpose: ENTRY", "purpose: ENTER", 5, "purpose cannot be 'ENTER'; did you mean 'ENTRY'?"),
        (
            "status: OPEN",
            "status: OPEN, position_side: long",
            5,
            "account 'main' nets its positions",
        ),
        (": auto}", ": 'auto:T1:ENTRY', sequence: 2}", 5, "a sequence only goes with"),
        (": auto}", ": auto, sequence: 0}", 5, "sequence must be a whole number from 1 on"),
        (": auto}", ": auto, sequence: 99999}", 5, "the sequence of an order is 1 to 46655"),
        (": auto}", ": 'auto:T1:BUY:1'}", 5, "is not auto:TRADE:PURPOSE:SEQ"),
        (
            ": auto}",
            ": 1001}",
            5,
            'client_order_id must be text, not the number 1001: write "1001"',
        ),
    ],
)
def test_a_wrong_row_of_the_database_is_refused(
    old: str, new: str, number: int, error: str
) -> None:
    found = error_of(BOOKS.replace(old, new, 1))

    assert found.startswith(line(number))
    assert error in found


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("{trade: T9, kind: ENTRY, quantity: '1', at: -1h}", "there is no trade 'T9'"),
        ("{trade: T1, kind: REVERSAL, quantity: '1', at: -1h}", "known: ENTRY, EXIT"),
        ("{trade: T1, kind: ENTRY, quantity: '1', at: -1h, order: O9}", "there is no order 'O9'"),
        ("{trade: T1, kind: ENTRY, quantity: '1', at: -1h, source: BOTS}", "did you mean 'BOT'?"),
        ("{trade: T1, kind: ENTRY, quantity: '1'}", "a history row needs the key 'at'"),
        ("{trade: T1, kind: ENTRY, quantity: '1', at: -1h, fill: x}", "did you mean 'fill_id'?"),
    ],
)
def test_a_wrong_history_row_is_refused(row: str, error: str) -> None:
    found = error_of(f"{BOOKS}  history:\n    - {row}\n")

    assert found.startswith(line(7))
    assert error in found


@pytest.mark.parametrize(
    ("section", "error"),
    [
        (f"orders: [{EXCHANGE_ORDER}, state: open}}]", "'state' is given twice"),
        (f"orders: [{EXCHANGE_ORDER}, client_order_id: auto}}]", "needs an order of `database`"),
        (f"orders: [{EXCHANGE_ORDER}, clientid: x}}]", "did you mean 'client_order_id'?"),
        (f"orders: [{EXCHANGE_ORDER.replace('live', 'open')}}}]", "state cannot be 'open'"),
        (f"orders: [{EXCHANGE_ORDER.replace('live', 'partially_filled')}}}]", "the key 'filled'"),
        (f"orders: [{EXCHANGE_ORDER}, position_side: long}}]", "'main' nets its positions"),
        (f"orders: [{EXCHANGE_ORDER}, class: stop}}]", "class cannot be 'stop'"),
        (f"fills: [{FILL}, kind: funding}}]", "kind cannot be 'funding'"),
        (f"fills: [{FILL}, fee: 1.5}}]", 'not the number 1.5: write "1.5"'),
        (
            f"fills: [{FILL}, client_order_id: 'auto:T9:ENTRY:1'}}]",
            "trade 'T9' is in no `database` section, and account 'main' has 2 profiles",
        ),
        ('positions: [{symbol: "BTC/USDT:USDT", side: long, quantity: "1"}]', "must be net"),
        ('positions: [{symbol: "BTC/USDT", side: net, quantity: "1"}]', "it is held as a balance"),
        ("balances: {USDT: 5}", "the balance of USDT must be a decimal in quotes"),
        ('marks: {"BTC/USD": "1"}', "there is no symbol 'BTC/USD'"),
        ("order: []", "exchange.main has no key 'order'; did you mean 'orders'?"),
    ],
)
def test_a_wrong_row_of_the_exchange_is_refused(section: str, error: str) -> None:
    found = error_of(f"exchange:\n  main:\n    {section}\n")

    assert found.startswith(line(3))
    assert error in found


def test_the_exchange_of_an_unknown_account_is_refused() -> None:
    assert error_of("exchange:\n  mian: {}\n").startswith(line(2) + "there is no account 'mian'")


def test_a_quantity_that_is_no_number_of_contracts_is_refused() -> None:
    instruments = 'instruments: {"BTC/USDT:USDT": {contract_size: "3"}}\n'
    fills = f"exchange: {{main: {{fills: [{FILL}}}]}}}}\n"

    assert "is no exact number of contracts" in error_of(instruments + fills)


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("reconsile", "there is no step 'reconsile'; did you mean 'reconcile'?"),
        ("{reconcile: {account: mian}}", "there is no account 'mian'"),
        ("{reconcile: {acount: main}}", "did you mean 'account'?"),
        ("{advance: 60s, restart: null}", "a step is one word, not advance, restart"),
        ("{advance: 60}", "advance must be a duration such as 500ms"),
        ("{advance: -60s}", "advance must be a duration such as 500ms"),
        ("{advance: 60x}", "not the text '60x'"),
        (
            "{fault: {account: main, endpoint: position, kind: timeout}}",
            "did you mean 'positions'?",
        ),
        ("{fault: {account: main, endpoint: any, kind: timeouts}}", "did you mean 'timeout'?"),
        ("{fault: {account: main, endpoint: any, kind: auth, times: 0}}", "from 1 on"),
        ("{fault: {account: main, endpoint: any, kind: auth, times: ever}}", "or 'always'"),
        ("{fault: {endpoint: any, kind: auth}}", "fault needs the key 'account'"),
        ("{fault: {clear: false}}", "`clear` can only be true"),
        ("{fault: {clear: true, account: main}}", "fault has no key 'account'"),
        ("{crash: commit}", "crash cannot be 'commit'; did you mean 'before_commit'?"),
        ("{restart: now}", "restart takes nothing"),
        ("{lock: {profile: delta, for: 1m}}", "there is no profile 'delta'"),
        ("{concurrently: [reconcile]}", "concurrently needs two steps or more"),
        ("{concurrently: [reconcile, restart]}", "'restart' cannot happen concurrently"),
        ("{tamper: {table: orders, sequence: 1, set: {a: b}}}", "table cannot be 'orders'"),
        ("{tamper: {table: audit, sequence: 0, set: {a: b}}}", "a whole number from 1 on"),
        ("{tamper: {table: audit, sequence: 1, set: {}}}", "set names nothing to change"),
        ("{approve: {queue: quarantine, by: ann}}", "needs the key 'trade'"),
        ("{approve: {queue: quarantine, trade: T1, by: ann, reason: WHY}}", "reason cannot be"),
        ("{reject: {queue: backfil, fill: '1', by: ann}}", "did you mean 'backfill'?"),
        ("{allocate: {fill: '1', to: {T9: '1'}, by: ann}}", "there is no trade 'T9'"),
        ("{adopt: {by: ann}}", "exactly one of the keys exchange_order, orphan, fill"),
        ("{ignore: {fill: '1', profile: alpha, by: ann}}", "ignore has no key 'profile'"),
        ("{resume: {profile: alpha, by: ann, source: BOT}}", "source cannot be 'BOT'"),
        ("{pause: {profile: alpha}}", "pause needs the key 'by'"),
        ("{refresh: {queue: backfill}}", "needs the key 'fill'"),
        ("[reconcile]", "a step must be a mapping (key: value), not a list"),
    ],
)
def test_a_wrong_step_is_refused(step: str, error: str) -> None:
    found = error_of(f"{BOOKS}steps:\n  - restart\n  - {step}\n")

    assert found.startswith(line(8))
    assert error in found


def test_a_step_knows_the_names_that_came_before_it_and_no_later_ones() -> None:
    step = f"  - database: {{trades: {{{TRADE}}}}}\n"
    order = f"  - database: {{orders: {{{ORDER}}}}}\n"

    assert len(parse(f"steps:\n{step}{order}").steps) == 2
    assert error_of(f"steps:\n{order}{step}").startswith(line(2) + "there is no trade 'T1'")


@pytest.mark.parametrize(
    ("expectation", "error"),
    [
        ("trade: {}", "expect has no key 'trade'; did you mean 'trades'?"),
        ("trades: {T1: {state: OPEN}}", "trades.T1 has no key 'state'; did you mean 'status'?"),
        ("trades: {T1: {status: OPENED}}", "trades.T1.status cannot be 'OPENED'"),
        ("trades: {T1: {open_quantity: 0.5}}", 'not the number 0.5: write "0.5"'),
        ("history: {T1: {ENTRY: '1'}}", "history.T1.ENTRY must be a whole number from 0 on"),
        ("history: {T1: {sources: {BOTS: 1}}}", "did you mean 'BOT'?"),
        ("mismatches: [{kind: GHOST}]", "did you mean 'GHOST_POSITION'?"),
        ("mismatches: [{}]", "mismatches[0] names nothing to match a row by"),
        ("mismatches: {}", "mismatches must be a list, not a mapping"),
        ("mismatches_open: -1", "must be a whole number from 0 on"),
        ("quarantine: [{reason: LIQUIDATED}]", "quarantine[0].reason cannot be 'LIQUIDATED'"),
        ("backfill: [{reasons: STALE_FILL}]", "backfill[0].reasons must be a list"),
        ("backfill: [{reasons: [STALE]}]", "did you mean 'STALE_FILL'?"),
        ("positions: [{profile: delta}]", "there is no profile 'delta'"),
        ("pauses: {delta: {sources: []}}", "there is no profile 'delta'"),
        ("gate: {alpha: {reasons: [PAUSED]}}", "gate.alpha.reasons cannot be 'PAUSED'"),
        ("capital: {alpha: {spare: '1'}}", "capital.alpha has no key 'spare'"),
        ("health: {reconciliationMismatchCout: 0}", "did you mean 'reconciliationMismatchCount'?"),
        ("health: {reconciliationParityMaxMismatchNotionalUsd: 0.5}", 'write "0.5"'),
        ("metrics: {'a b': 1}", "'a b' is not a metric such as"),
        ("metrics: {'a{b=c}': 1}", "is not a metric such as"),
        ("metrics: {a: true}", "metrics.a must be a decimal in quotes"),
        ("runs: {first: {}}", "runs has no key 'first'; known: last"),
        ("runs: {last: {status: SKIPPED}}", "did you mean 'SKIPPED_LOCKED'?"),
        ("escalations: [{kind: MASS}]", "did you mean 'MASS_MISMATCH'?"),
        ("audit: {trade.sythetic_exit: 0}", "did you mean 'trade.synthetic_exit'?"),
        ("audit_chain: whole", "audit_chain cannot be 'whole'; known: intact, broken"),
    ],
)
def test_a_wrong_expectation_is_refused(expectation: str, error: str) -> None:
    found = error_of(f"expect:\n  {expectation}\n")

    assert found.startswith(line(2))
    assert error in found
