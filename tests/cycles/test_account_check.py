"""An account's test says of each part whether it can be read, why not, and what to do about it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from reconciliation import conf
from reconciliation.cycles.account_check import CREDENTIALS, MODE, RIGHTS, check_account
from reconciliation.cycles.errands import do_errand
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.ports import Ports
from reconciliation.domain.audit import system_actor
from reconciliation.domain.key_rights import KeyRights
from reconciliation.enums import CheckState, ErrandKind, ErrandStatus, OrderClass, PositionMode
from reconciliation.exchange.ccxt_gateway import clear_instrument_cache
from reconciliation.exchange.gateway import (
    BudgetExhausted,
    CredentialsRejected,
    ExchangeError,
    RetryableExchangeError,
    Unsupported,
)
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.handlers.accounts import set_account_enabled
from reconciliation.models import AuditEvent, Errand, ExchangeAccount, Fill, Run
from tests.builders import NOW, FixedClock, make_account
from tests.cycles.worlds import World

pytestmark = pytest.mark.django_db
PASSED, WARNING, FAILED = CheckState.PASSED, CheckState.WARNING, CheckState.FAILED


def states(account: ExchangeAccount, ports: Ports) -> dict[str, CheckState]:
    return {line.part: line.state for line in check_account(account=account, ports=ports).lines}


@pytest.fixture
def account(world: World) -> ExchangeAccount:
    return world.account


def test_an_account_that_answers_passes_in_every_part(world: World, account: ExchangeAccount):
    seen: list[tuple[str, int, int]] = []
    check = check_account(
        account=account, ports=world.ports(), progress=lambda *told: seen.append(told)
    )
    assert check.passed
    assert {line.state for line in check.lines} == {PASSED}
    assert [told[0] for told in seen] == [line.part for line in check.lines]
    assert [told[1] for told in seen] == list(range(len(check.lines)))


def test_nothing_is_kept_of_what_is_read(world: World, account: ExchangeAccount):
    check_account(account=account, ports=world.ports())
    assert not Fill.objects.exists()
    assert not Run.objects.exists()
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("method", "part"),
    [
        ("load_instruments", "Instruments"),
        ("fetch_positions", "Positions"),
        ("fetch_balances", "Balances"),
        ("fetch_fill_pages", "Fills (swap)"),
        ("fetch_key_rights", RIGHTS),
        ("fetch_position_mode", MODE),
        ("fetch_clock_lead", "Clock"),
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        RetryableExchangeError("okx GET time: HTTP 200 with a body that is no whole JSON"),
        CredentialsRejected("okx: 50111; check MAIN_API_KEY"),
        BudgetExhausted("the time is used up"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_part_that_fails_stops_no_other(
    world: World, account: ExchangeAccount, method: str, part: str, error: ExchangeError
):
    world.exchange.fail(method, error)
    check = check_account(account=account, ports=world.ports())
    line = next(line for line in check.lines if line.part == part)
    assert (line.state, line.says) == (FAILED, str(error))
    assert line.way_out
    assert not check.passed
    assert {each.state for each in check.lines if each.part != part} == {PASSED}


def test_each_class_of_orders_is_a_part_of_its_own(world: World, account: ExchangeAccount):
    error = RetryableExchangeError("no answer in time")
    world.exchange.fail("fetch_open_orders", error, only=OrderClass.CONDITIONAL)
    found = states(account, world.ports())
    assert found["Open orders (conditional)"] == FAILED
    assert found["Open orders (regular)"] == PASSED


@pytest.mark.parametrize(
    ("trade", "move", "words"),
    [(True, False, "MAY TRADE"), (False, True, "MAY MOVE MONEY"), (True, True, "TRADE AND MOVE")],
)
def test_a_key_that_may_do_more_than_read_is_a_failure_said_loudly(
    world: World, account: ExchangeAccount, trade: bool, move: bool, words: str
):
    world.exchange.rights = KeyRights(may_trade=trade, may_move_money=move, words=("word",))
    check = check_account(account=account, ports=world.ports())
    line = next(line for line in check.lines if line.part == RIGHTS)
    assert line.state == FAILED
    assert words in line.says
    assert "delete this key" in line.way_out


def test_rights_that_are_not_told_are_to_be_looked_at_and_never_taken_for_reading(
    world: World, account: ExchangeAccount
):
    world.exchange.fail("fetch_key_rights", Unsupported("could not be read"))
    check = check_account(account=account, ports=world.ports())
    assert check.passed
    assert [line.part for line in check.lines if line.state == WARNING] == [RIGHTS]
    assert RIGHTS in check.says


def test_another_position_mode_than_the_exchanges_fails_with_both_named(
    world: World, account: ExchangeAccount
):
    account.position_mode = PositionMode.HEDGE
    line = next(
        line
        for line in check_account(account=account, ports=world.ports()).lines
        if line.part == MODE
    )
    assert line.state == FAILED
    assert "net at the exchange" in line.says
    assert "hedge here" in line.says


@pytest.mark.parametrize(("seconds", "state"), [(2.9, PASSED), (-2.9, PASSED), (3.1, FAILED)])
def test_a_clock_that_is_far_off_fails(
    world: World, account: ExchangeAccount, seconds: float, state: CheckState
):
    world.exchange.clock_lead = timedelta(seconds=seconds)
    assert states(account, world.ports())["Clock"] == state


def test_keys_that_are_missing_are_told_by_the_name_of_the_setting(
    world: World, account: ExchangeAccount
):
    world.gateways.of_account["main"] = CredentialsRejected("MAIN_API_KEY is not set")
    check = check_account(account=account, ports=world.ports())
    assert [line.part for line in check.lines] == [CREDENTIALS]
    assert "MAIN_API_KEY" in check.lines[0].says
    assert not check.passed


@pytest.mark.parametrize("enabled", [True, False])
def test_the_errand_ends_with_the_lines_also_of_an_account_that_is_disabled(
    world: World, account: ExchangeAccount, enabled: bool
):
    set_account_enabled(
        account_id=account.pk,
        enabled=enabled,
        comment="",
        actor=system_actor("test"),
        clock=world.clock,
        conf=conf.require({}),
    )
    errand = Errand.objects.create(
        kind=ErrandKind.CHECK_ACCOUNT,
        status=ErrandStatus.ASKED,
        account=account,
        asked_by="sara",
        asked_at=NOW,
    )
    says = do_errand(errand_id=errand.pk, ports=world.ports())
    errand.refresh_from_db()
    assert errand.status == ErrandStatus.DONE
    assert says == errand.says
    assert {line["state"] for line in errand.result["lines"]} == {"PASSED"}
    assert errand.done is not None
    assert errand.total == len(errand.result["lines"])


class TestOverHttp:
    """The real client against a paper exchange."""

    @pytest.fixture
    def paper(self) -> Iterator[PaperExchange]:
        clear_instrument_cache()
        with PaperExchange([PaperAccount("main")], FixedClock().now) as running:
            yield running
        clear_instrument_cache()

    def check(self, paper: PaperExchange, **changes: Any) -> dict[str, Any]:
        paper_account, clock = paper.accounts["main"], FixedClock()
        environ = {
            "MAIN_API_KEY": paper_account.api_key,
            "MAIN_SECRET": paper_account.secret,
            "MAIN_PASSWORD": paper_account.passphrase,
            "MAIN_BASE_URL": paper.url("main"),
        }
        gateways = AccountGateways(clock=clock, environ=environ | changes)
        ports = Ports(conf=conf.require({}), clock=clock, gateways=gateways)
        try:
            return check_account(account=make_account(), ports=ports).as_data()
        finally:
            gateways.close()

    def states(self, data: dict[str, Any]) -> dict[str, str]:
        return {line["part"]: line["state"] for line in data["lines"]}

    def test_an_exchange_that_answers_passes(self, paper: PaperExchange):
        found = self.states(self.check(paper))
        assert set(found.values()) == {"PASSED"}
        assert {"Open orders (oco)", "Fills (spot)", "Fills (swap)", "Positions"} <= set(found)

    def test_a_key_that_may_trade_is_found(self, paper: PaperExchange):
        paper.accounts["main"].permissions = "read_only,trade"
        assert self.states(self.check(paper))[RIGHTS] == "FAILED"

    def test_a_wrong_passphrase_fails_in_all_that_is_signed_and_is_never_shown(
        self, paper: PaperExchange
    ):
        data = self.check(paper, MAIN_PASSWORD="not-the-passphrase")
        found = self.states(data)
        assert found.pop("Clock") == "PASSED"
        assert found.pop("Instruments") == "PASSED"
        assert set(found.values()) == {"FAILED"}
        text = str(data)
        assert "MAIN_PASSWORD" in text
        assert "not-the-passphrase" not in text
        assert paper.accounts["main"].secret not in text

    @pytest.mark.parametrize("kind", ["html_200", "truncated_200"])
    def test_answers_that_are_none_fail_and_are_no_empty_lists(
        self, paper: PaperExchange, kind: str
    ):
        paper.faults.add("main", "any", kind, "always")
        assert set(self.states(self.check(paper)).values()) == {"FAILED"}
