"""What belongs to nobody is decided by a person, once, and each attempt leaves its event."""

from decimal import Decimal
from typing import Any

import pytest

from reconciliation.conf import require
from reconciliation.domain.audit import Actor
from reconciliation.domain.people import Person
from reconciliation.domain.plans.adoption import external_key
from reconciliation.enums import (
    ActorType,
    DecisionKind,
    DecisionReason,
    DecisionRefusal,
    Direction,
    MismatchKind,
    Nobodys,
    Right,
)
from reconciliation.handlers.decision_records import Outcome
from reconciliation.handlers.leases import take_lease
from reconciliation.handlers.nobodys import adopt, ignore
from reconciliation.handlers.nobodys_items import NobodysItem, version_of
from reconciliation.models import (
    AcceptedPosition,
    AuditEvent,
    Decision,
    ExternalOrder,
    Fill,
    Mismatch,
    Order,
    Position,
    ProfileLease,
    Trade,
    TradeHistory,
)
from tests.builders import (
    SYMBOL,
    FixedClock,
    make_account,
    make_candidate,
    make_external_order,
    make_fill,
    make_mismatch,
    make_order,
    make_profile,
    make_sighting,
    make_trade,
)
from tests.handlers.worlds import CONF

pytestmark = pytest.mark.django_db
ALL = frozenset(Right)
KIND = {ExternalOrder: Nobodys.EXTERNAL_ORDER, Fill: Nobodys.FILL, Mismatch: Nobodys.ORPHAN}
FOUR_EYES = require({"RECON_FOUR_EYES_MIN_NOTIONAL_USD": "30000"})


def person(name: str = "olga", rights: frozenset[Right] = ALL) -> Person:
    return Person(actor=Actor(type=ActorType.USER, id=f"id-{name}", name=name), rights=rights)


def asked(act: Any, row: Any, by: Person | None = None, **values: Any) -> Outcome:
    given = {"reason": DecisionReason.NOT_OURS, "conf": CONF, "clock": FixedClock(), **values}
    item = NobodysItem(kind=KIND[type(row)], id=row.pk)
    return act(person=by or person(), item=item, **given)


def external(**values: Any) -> ExternalOrder:
    make_profile()
    row = make_external_order(**values)
    key = external_key(row.symbol, row.exchange_order_id)
    make_sighting(make_mismatch(kind=MismatchKind.MISSING_IN_DB, key=key))
    return row


def stray_fill(**values: Any) -> Fill:
    make_profile()
    row = make_fill(**values)
    make_sighting(make_mismatch(kind=MismatchKind.UNATTRIBUTED_FILL, key=f"fill:{row.pk}"))
    return row


def orphan(drift: str = "0.3", side: str = "net", **exchange: Any) -> Mismatch:
    make_profile()
    row = make_mismatch(
        kind=MismatchKind.ORPHAN_POSITION,
        key=f"parity:{SYMBOL}:{side}:ORPHAN_POSITION:1",
        drift=drift,
        exchange_side={"entry_price": "61000", "mark": "62000", **exchange},
    )
    make_sighting(row)
    return row


def events() -> list[str]:
    rows = AuditEvent.objects.order_by("sequence")
    return list(rows.values_list("action", flat=True))


def status() -> str:
    return Mismatch.objects.get().status


def test_an_order_is_adopted_into_a_new_slice_with_its_decision():
    row = external(side="sell")
    outcome = asked(adopt, row, profile="alpha", trade="T9")
    order, trade, decision = Order.objects.get(), Trade.objects.get(), Decision.objects.get()
    assert (outcome.kind, outcome.decision_id) == (DecisionKind.ADOPTED, decision.pk)
    assert (order.trade_id, order.purpose, order.origin) == (trade.pk, "ENTRY", "EXCHANGE")
    assert (trade.trade_id, trade.direction, trade.status) == ("T9", Direction.SHORT, "PENDING")
    assert (decision.external_order_id, decision.maker_name) == (row.pk, "olga")
    assert decision.notional_usd == Decimal("30000")
    assert (ExternalOrder.objects.get().status, status()) == ("ADOPTED", "RESOLVED")
    assert events() == ["review.approved", "order.adopted", "mismatch.resolved"]


def test_an_order_is_adopted_into_the_slice_that_there_is_as_what_its_side_makes_it():
    trade = make_trade(trade_id="T1", entry_quantity="0.5")
    asked(adopt, external(side="sell"), trade="T1")
    order = Order.objects.get()
    assert (order.trade_id, order.purpose, order.profile.name) == (trade.pk, "EXIT", "alpha")


def test_an_order_without_a_trade_has_no_purpose():
    asked(adopt, external(), profile="alpha")
    order = Order.objects.get()
    assert (order.trade_id, order.purpose, order.profile.name) == (None, None, "alpha")
    assert not Trade.objects.exists()


def test_an_ignored_order_leaves_an_accepted_mismatch():
    asked(ignore, external(), by=person(rights=frozenset({Right.REJECT})))
    assert (ExternalOrder.objects.get().status, status()) == ("IGNORED", "ACCEPTED")
    assert events() == ["review.rejected", "external_order.ignored", "mismatch.accepted"]
    assert Decision.objects.get().kind == DecisionKind.IGNORED


def test_what_is_left_of_a_fill_is_booked_at_its_real_price_and_position_follows():
    row = stray_fill(price="60500")
    asked(adopt, row, profile="alpha", trade="T7")
    history = TradeHistory.objects.get()
    assert (history.kind, history.source, history.quantity) == ("ENTRY", "OPERATOR", Decimal("0.5"))
    assert (history.price, history.fee, history.estimated) == (
        Decimal(60500),
        Decimal("1.5"),
        False,
    )
    assert history.decision_id == Decision.objects.get().pk
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")
    assert Trade.objects.get().status == "OPEN"
    assert Position.objects.get().quantity == Decimal("0.5")
    assert events() == ["review.approved", "trade.entry_filled", "mismatch.resolved"]


def test_a_spot_fill_is_booked_net_of_the_fee_in_its_base():
    row = stray_fill(
        symbol="BTC/USDT", instrument_type="spot", fee="0.001", fee_currency="BTC", quantity="0.5"
    )
    asked(adopt, row, profile="alpha", trade="T7")
    assert TradeHistory.objects.get().quantity == Decimal("0.499")


def test_an_exit_fill_closes_its_slice():
    make_trade(trade_id="T1", entry_quantity="0.5", average_entry_price="60000")
    asked(adopt, stray_fill(side="sell"), profile="alpha", trade="T1")
    assert Trade.objects.get().status == "CLOSED"
    assert "trade.exit_filled" in events()


def test_an_ignored_fill_is_set_aside():
    asked(ignore, stray_fill())
    assert (Fill.objects.get().set_aside, status()) == (True, "ACCEPTED")
    assert "fill.ignored" in events()


@pytest.mark.parametrize(
    ("exchange", "price"),
    [({}, "61000"), ({"entry_price": None}, "62000")],
    ids=["the exchange's entry price", "else the mark"],
)
def test_an_orphan_becomes_an_entry_of_which_no_fill_is_known(exchange: dict[str, Any], price: str):
    asked(adopt, orphan("-0.3", **exchange), profile="alpha", trade="T8")
    trade, row = Trade.objects.get(), TradeHistory.objects.get()
    assert (trade.direction, trade.status) == (Direction.SHORT, "OPEN")
    assert (row.kind, row.source, row.estimated) == ("ENTRY", "OPERATOR", True)
    assert (row.quantity, row.price, row.exchange_fill_id) == (Decimal("0.3"), Decimal(price), None)
    assert (status(), Decision.objects.get().mismatch_id) == ("RESOLVED", Mismatch.objects.get().pk)


def test_an_ignored_orphan_is_accepted_with_its_sign_and_replaces_what_was():
    asked(ignore, orphan("-0.3"))
    accepted = AcceptedPosition.objects.get()
    assert (accepted.quantity, accepted.symbol, accepted.side) == (Decimal("-0.3"), SYMBOL, "net")
    assert (status(), events()[1]) == ("ACCEPTED", "position.ignored")
    again = make_mismatch(
        kind=MismatchKind.ORPHAN_POSITION,
        key=f"parity:{SYMBOL}:net:ORPHAN_POSITION:2",
        drift="-0.5",
        exchange_side={"entry_price": None, "mark": "1"},
    )
    asked(ignore, again)
    assert AcceptedPosition.objects.get().quantity == Decimal("-0.5")


REFUSED = [
    ("no right to adopt", adopt, {"by": person(rights=frozenset({Right.REJECT}))}, "DENIED"),
    ("no right to ignore", ignore, {"by": person(rights=frozenset({Right.APPROVE}))}, "DENIED"),
    ("no reason", adopt, {"reason": None}, "REASON_NEEDED"),
    ("no words", ignore, {"reason": DecisionReason.OTHER, "comment": " "}, "COMMENT_NEEDED"),
    ("no profile", adopt, {}, "PROFILE_NEEDED"),
    ("unknown profile", adopt, {"profile": "nobody"}, "PROFILE_NEEDED"),
    ("of another account", adopt, {"profile": "far"}, "PROFILE_NEEDED"),
    ("an impossible trade", adopt, {"profile": "alpha", "trade": "T" * 65}, "TRADE_NEEDED"),
    ("another's trade", adopt, {"profile": "alpha", "trade": "B1"}, "FOREIGN"),
    ("another symbol", adopt, {"profile": "alpha", "trade": "E1"}, "WRONG_SLICE"),
    ("a flat slice", adopt, {"profile": "alpha", "trade": "S1"}, "WRONG_SLICE"),
    ("another version", ignore, {"expected": 7}, "CONFLICT"),
]


@pytest.mark.parametrize(
    ("act", "values", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_refusal_writes_its_event_and_nothing_else(act: Any, values: dict[str, Any], code: str):
    make_profile("far", account=make_account("other"))
    make_trade(make_profile("beta"), trade_id="B1", entry_quantity="1")
    make_trade(trade_id="E1", symbol="ETH/USDT:USDT", entry_quantity="1")
    make_trade(trade_id="S1", direction="short", entry_quantity="1", exit_quantity="1")
    outcome = asked(act, external(), **values)
    assert outcome.refusal == DecisionRefusal(code)
    denied = code == "DENIED"
    event = AuditEvent.objects.get()
    assert event.action == "review.denied"
    assert event.outcome == ("denied" if denied else "refused")
    assert not Decision.objects.exists()
    assert not Order.objects.exists()
    assert (ExternalOrder.objects.get().status, status()) == ("PENDING", "OPEN")
    assert not ProfileLease.objects.exclude(holder="").exists()


def test_what_bears_the_tag_of_another_profile_is_never_taken():
    make_profile("beta")
    assert asked(adopt, external(sub_tag="beta01"), profile="alpha").refusal == "FOREIGN"
    assert asked(adopt, stray_fill(sub_tag="beta01"), profile="alpha", trade="T1").refusal == (
        "FOREIGN"
    )


def test_an_exit_larger_than_its_slice_is_refused():
    make_trade(trade_id="T1", entry_quantity="0.4")
    outcome = asked(adopt, stray_fill(side="sell"), profile="alpha", trade="T1")
    assert outcome.refusal == DecisionRefusal.QUANTITY_OUT_OF_RANGE


def test_a_liquidation_never_enters_a_slice():
    outcome = asked(adopt, stray_fill(kind="liquidation"), profile="alpha", trade="T1")
    assert outcome.refusal == DecisionRefusal.WRONG_SLICE


def test_a_fill_of_a_known_order_is_left_to_the_cycles():
    order = make_order(make_trade(trade_id="T1"))
    row = stray_fill(exchange_order_id=order.exchange_order_id)
    assert asked(adopt, row, profile="alpha", trade="T1").refusal == DecisionRefusal.CONFLICT


def test_a_fill_that_waits_in_the_backfill_queue_is_rejected_there():
    row = stray_fill(side="sell")
    make_candidate(row)
    assert asked(ignore, row).refusal == DecisionRefusal.UNKNOWN_ITEM


def test_an_orphan_needs_a_trade_of_its_direction_and_a_price():
    make_trade(trade_id="S1", direction="short", entry_quantity="1")
    row = orphan("0.3", entry_price=None, mark=None)
    assert asked(adopt, row, profile="alpha").refusal == DecisionRefusal.TRADE_NEEDED
    assert asked(adopt, row, profile="alpha", trade="S1").refusal == DecisionRefusal.WRONG_SLICE
    assert asked(adopt, row, profile="alpha", trade="T8").refusal == DecisionRefusal.PRICE_NEEDED


def test_what_does_not_exist_is_refused_and_so_is_a_mismatch_that_is_no_orphan():
    make_profile()
    other = make_mismatch()
    nothing = NobodysItem(kind=Nobodys.FILL, id=0)
    values: dict[str, Any] = {"reason": DecisionReason.NOT_OURS, "conf": CONF}
    outcome = ignore(person=person(), item=nothing, clock=FixedClock(), **values)
    assert outcome.refusal == DecisionRefusal.UNKNOWN_ITEM
    assert asked(ignore, other).refusal == DecisionRefusal.UNKNOWN_ITEM


@pytest.mark.parametrize("first", [adopt, ignore])
@pytest.mark.parametrize("make", [external, stray_fill, orphan])
def test_each_item_is_decided_once(make: Any, first: Any):
    row = make()
    into = {"profile": "alpha", "trade": "T1"}
    asked(first, row, **(into if first is adopt else {}))
    assert asked(adopt, row, **into).refusal == DecisionRefusal.DECIDED_ALREADY
    assert asked(ignore, row).refusal == DecisionRefusal.DECIDED_ALREADY
    assert Decision.objects.count() == 1


@pytest.mark.parametrize("make", [external, stray_fill, orphan])
def test_the_version_that_a_page_shows_is_the_one_that_counts(make: Any):
    row = make()
    version = version_of(NobodysItem(kind=KIND[type(row)], id=row.pk))
    assert asked(ignore, row, expected=version + 1).refusal == DecisionRefusal.CONFLICT
    assert asked(ignore, row, expected=version).kind == DecisionKind.IGNORED


def test_who_holds_the_lock_of_the_profile_keeps_the_decision_out():
    row, clock = external(), FixedClock()
    take_lease(profile_id=make_profile().pk, holder="x", ttl=CONF.lock_ttl, clock=clock)
    assert asked(adopt, row, profile="alpha").refusal == DecisionRefusal.LOCKED
    assert asked(ignore, row).kind == DecisionKind.IGNORED


def test_from_the_limit_on_one_proposes_and_another_carries_out():
    row = external()
    into = {"profile": "alpha", "trade": "T9", "conf": FOUR_EYES}
    proposer = person("olga", frozenset({Right.PROPOSE}))
    assert asked(adopt, row, by=proposer, **into).kind == DecisionKind.PROPOSED
    assert asked(adopt, row, **into).refusal == DecisionRefusal.SAME_PERSON
    weak = person("ivan", frozenset({Right.PROPOSE}))
    assert asked(adopt, row, by=weak, **into).refusal == DecisionRefusal.DENIED
    assert not Order.objects.exists()
    assert asked(adopt, row, by=person("ivan"), **into).kind == DecisionKind.ADOPTED
    done = Decision.objects.get(kind=DecisionKind.ADOPTED)
    assert (done.maker_name, done.checker_name, done.four_eyes) == ("olga", "ivan", True)


def test_another_proposal_is_no_second_pair_of_eyes():
    row = external()
    asked(adopt, row, profile="alpha", trade="T9", conf=FOUR_EYES)
    other = asked(adopt, row, by=person("ivan"), profile="alpha", trade="T8", conf=FOUR_EYES)
    assert other.kind == DecisionKind.PROPOSED
    assert not Order.objects.exists()


def test_an_unknown_worth_needs_two_and_a_small_one_does_not():
    unknown = external(price=None)
    into = {"profile": "alpha", "conf": FOUR_EYES}
    assert asked(adopt, unknown, **into).kind == DecisionKind.PROPOSED
    small = external(quantity="0.1")
    assert asked(adopt, small, **into).kind == DecisionKind.ADOPTED
