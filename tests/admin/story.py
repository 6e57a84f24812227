"""A linked world for the console: each story leads from an order to its audit events."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from reconciliation.domain.audit import EventDraft, system_actor
from reconciliation.enums import (
    CoverageStatus,
    ExternalStatus,
    HistoryKind,
    HistorySource,
    InstrumentType,
    LegKind,
    MismatchKind,
    OrderStatus,
    QuarantineReason,
    ReviewStatus,
    Side,
)
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import (
    AcceptedPosition,
    ApiKey,
    BackfillCandidate,
    CapitalBalance,
    CapitalEntry,
    ClusterBeat,
    Decision,
    Errand,
    Escalation,
    EscalationSighting,
    ExchangeAccount,
    ExternalOrder,
    Fill,
    FillAllocation,
    FillCoverage,
    MarkPrice,
    Mismatch,
    MismatchSighting,
    Order,
    OrderLeg,
    OrderLookUp,
    OutsideEdit,
    ParityReading,
    ParityWatch,
    Pause,
    Position,
    Profile,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
    WatchdogState,
)
from tests import builders
from tests.builders import NOW, FixedClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """An entry that a run found filled: everything that was read and written about it."""

    account: ExchangeAccount
    profile: Profile
    api_key: ApiKey
    trade: Trade
    order: Order
    run: Run
    fill: Fill
    history: TradeHistory
    allocation: FillAllocation
    mismatch: Mismatch
    sighting: MismatchSighting
    beat: ClusterBeat
    position: Position
    coverage: FillCoverage
    leg: OrderLeg
    look_up: OrderLookUp
    external: ExternalOrder
    review: ReviewItem
    candidate: BackfillCandidate
    decision: Decision
    watch: ParityWatch
    reading: ParityReading
    mark: MarkPrice
    accepted: AcceptedPosition
    pause: Pause
    watchdog: WatchdogState
    balance: CapitalBalance
    entry: CapitalEntry
    errand: Errand
    outside_edit: OutsideEdit
    escalation: Escalation
    escalation_sighting: EscalationSighting


def tell(number: int = 1, *, apart: bool = False) -> Story:
    """Make one story; `apart` gives it an account and a profile of its own."""
    account = builders.make_account(f"account{number}") if apart else builders.make_account()
    profile = builders.make_profile(f"profile{number}" if apart else "alpha", account=account)
    trade = builders.make_trade(
        profile,
        trade_id=f"trade-{number}",
        entry_quantity="0.5",
        average_entry_price="60000",
        delivered_status="PENDING",
    )
    order = builders.make_order(
        trade,
        client_order_id=f"client-{number}",
        exchange_order_id=f"exchange-{number}",
        status=OrderStatus.FILLED,
        filled_quantity="0.5",
        average_price="60000",
        delivered_status=OrderStatus.OPEN,
        delivered_quantity="0.5",
        delivered_price="60000",
        delivered_filled_quantity="0",
        delivered_at=NOW - timedelta(hours=1),
    )
    run = builders.make_run(
        account,
        started_at=NOW + timedelta(minutes=number),
        finished_at=NOW + timedelta(minutes=number, seconds=2),
        counts={"orders": 5, "mismatches": 1},
    )
    fill = builders.make_fill(
        account,
        exchange_fill_id=f"fill-{number}",
        exchange_order_id=order.exchange_order_id,
        client_order_id=order.client_order_id,
        allocated_quantity="0.5",
        run=run,
        raw='{"px":"60000","sz":"0.5"}',
    )
    history = builders.make_history(
        trade,
        order=order,
        run=run,
        source=HistorySource.RECONCILED,
        exchange_fill_id=fill.exchange_fill_id,
        evidence_hash="e" * 64,
    )
    mismatch = builders.make_mismatch(
        run,
        profile=profile,
        trade=trade,
        order=order,
        kind=MismatchKind.MISSING_FROM_EXCHANGE,
        drift="0.5",
        database_side={"status": "OPEN", "filled_quantity": "0", "quantity": "0.5"},
        exchange_side={
            "rule": "lookup_filled",
            "order": {"status": "FILLED", "filled_quantity": "0.5", "quantity": "0.50"},
            "fills": [{"fill_id": fill.exchange_fill_id}],
        },
    )
    seal(
        run,
        EventDraft(
            action="trade.entry_filled",
            object_type="trade",
            object_id=str(trade.pk),
            profile=profile.name,
            account=account.name,
            before={"trade": {"entry_quantity": "0"}},
            after={"trade": {"entry_quantity": "0.5"}},
        ),
        EventDraft(
            action="order.filled",
            object_type="order",
            object_id=str(order.pk),
            profile=profile.name,
            account=account.name,
            before={"status": "OPEN"},
            after={"order": {"status": "FILLED"}},
            reason_code="LOOKUP_FILLED",
            comment="the exchange filled it while the bot was away",
        ),
    )
    api_key = builders.make_api_key(f"key-{number}", account=account)
    builders.make_api_key_scope(api_key, profile=profile)
    with builders.arranging():
        leg = OrderLeg.objects.create(
            order=order,
            account=account,
            symbol=order.symbol,
            exchange_order_id=f"leg-{number}",
            kind=LegKind.REPLACEMENT,
            recorded_at=NOW,
        )
        look_up = OrderLookUp.objects.create(order=order, asked_at=NOW)
        external = ExternalOrder.objects.create(
            account=account,
            symbol="BTC/USDT:USDT",
            exchange_order_id=f"external-{number}",
            side=Side.BUY,
            quantity="0.25",
            status=ExternalStatus.PENDING,
            why="no known tag",
            first_run=run,
            first_seen_at=NOW,
        )
        review = ask(trade, fill, run)
    decision = builders.make_decision(review, comment="seen flat at the exchange")
    position = {"symbol": f"COIN{number}/USDT:USDT"}
    escalation = builders.make_escalation(account, profile=profile, run=run, detail={"runs": 3})
    return Story(
        decision=decision,
        watch=builders.make_parity_watch(account, last_run=run, **position),
        reading=builders.make_parity_reading(
            run, outcome="waits for two more heartbeats", evidence={"slices": []}, **position
        ),
        mark=builders.make_mark(account, **position),
        accepted=builders.make_accepted_position(account, decision=decision, **position),
        # Those of which a profile has one.
        pause=profile.pauses.open().first() or builders.make_pause(profile, evidence={"clean": 0}),
        watchdog=WatchdogState.objects.filter(profile=profile).first()
        or builders.make_watchdog_state(profile, run=run),
        balance=CapitalBalance.objects.filter(profile=profile).first()
        or builders.make_capital_balance(profile),
        entry=CapitalEntry.objects.filter(profile=profile).first()
        or builders.make_capital_entry(profile, run=run),
        errand=builders.make_errand(account, run=run),
        outside_edit=builders.make_outside_edit(trade),
        escalation=escalation,
        escalation_sighting=builders.make_escalation_sighting(escalation),
        leg=leg,
        look_up=look_up,
        external=external,
        review=review,
        candidate=builders.make_candidate(
            fill, trade=trade, profile=profile, first_run=run, evidence={"slices": ["trade-1"]}
        ),
        account=account,
        profile=profile,
        api_key=api_key,
        trade=trade,
        order=order,
        run=run,
        fill=fill,
        history=history,
        allocation=builders.make_allocation(fill, history),
        mismatch=mismatch,
        sighting=builders.make_sighting(mismatch),
        beat=builders.make_beat(),
        position=builders.make_position(profile, symbol=f"COIN{number}/USDT:USDT"),
        coverage=FillCoverage.objects.create(
            account=account,
            instrument_type=InstrumentType.SWAP,
            status=CoverageStatus.PROVEN,
            start_at=NOW + timedelta(hours=2 * number),
            end_at=NOW + timedelta(hours=2 * number + 1),
        ),
    )


def ask(trade: Trade, fill: Fill | None, run: Run) -> ReviewItem:
    """Make a question to a person."""
    with builders.arranging():
        return ReviewItem.objects.create(
            account=trade.account,
            profile=trade.profile,
            status=ReviewStatus.PENDING,
            reason=QuarantineReason.UNRESOLVED_FILLS,
            trade=trade,
            fill=fill,
            quantity="0.5",
            evidence={"fills": ["fill-1"], "drift": "0.5"},
            evidence_hash="f" * 64,
            first_run=run,
            opened_at=NOW,
        )


def add_to(story: Story, number: int) -> None:
    """Make one more of everything that can hang on a trade, its order, a fill and a run."""
    order = builders.make_order(story.trade)
    fill = builders.make_fill(
        story.account,
        exchange_order_id=story.order.exchange_order_id,
        client_order_id=story.order.client_order_id,
        quantity="1000",
        allocated_quantity="0.001",
        run=story.run,
    )
    history = builders.make_history(
        story.trade, order=story.order, run=story.run, quantity="0.001", kind=HistoryKind.EXIT
    )
    builders.make_allocation(fill, history)
    shared = builders.make_history(
        story.trade, order=order, run=story.run, quantity="0.0001", kind=HistoryKind.EXIT
    )
    # The story's fill is booked in full: a part of it is freed before it is booked again.
    for released in (True, False):
        builders.make_allocation(story.fill, shared, quantity=Decimal("0.0001"), released=released)
    mismatch = builders.make_mismatch(story.run, order=story.order, trade=story.trade)
    builders.make_sighting(mismatch)
    seal(
        story.run,
        *(
            EventDraft(action="test.noted", object_type=word, object_id=str(row.pk))
            for word, row in (
                ("order", story.order),
                ("trade", story.trade),
                ("fill", story.fill),
                ("mismatch", story.mismatch),
                ("profile", story.profile),
                ("account", story.account),
                ("api_key", story.api_key),
                ("position", story.position),
                ("review", story.review),
                ("backfill", story.candidate),
                ("external_order", story.external),
                ("decision", story.decision),
                ("accepted_position", story.accepted),
                ("pause", story.pause),
                ("escalation", story.escalation),
            )
        ),
    )
    with builders.arranging():
        OrderLeg.objects.create(
            order=story.order,
            account=story.account,
            symbol=story.order.symbol,
            exchange_order_id=f"more-{number}",
            kind=LegKind.CHILD,
            recorded_at=NOW,
        )
        ExternalOrder.objects.create(
            account=story.account,
            symbol=story.order.symbol,
            exchange_order_id=f"stranger-{number}",
            side=Side.BUY,
            status=ExternalStatus.PENDING,
            why="no known tag",
            first_run=story.run,
            first_seen_at=NOW,
        )
    builders.make_decision(
        ask(story.trade, fill, story.run), profile=story.profile, proposal=story.decision
    )
    builders.make_candidate(fill, trade=story.trade, first_run=story.run)
    for subject in (story.review, story.candidate, story.external, story.fill, story.mismatch):
        builders.make_decision(subject)
    builders.make_history(
        story.trade, decision=story.decision, quantity="0.0001", kind=HistoryKind.EXIT
    )
    side = {"symbol": f"MORE{number}/USDT:USDT"}
    builders.make_accepted_position(story.account, decision=story.decision, **side)
    builders.make_parity_reading(story.run, **side)
    builders.make_parity_reading(
        builders.make_run(story.account), symbol=story.reading.symbol, mark=None
    )
    builders.make_pause(story.profile, ended_at=NOW, ended_by="olga")
    builders.make_capital_entry(story.profile, run=story.run, allocated_usd="0", used_usd="1")
    escalation = builders.make_escalation(story.account, profile=story.profile, run=story.run)
    builders.make_escalation_sighting(escalation)
    builders.make_api_key_scope(
        story.api_key, profile=builders.make_profile(f"more{number}", account=story.account)
    )
    builders.make_position(story.profile, symbol=f"MORE{number}/USDT:USDT")
    builders.make_trade(story.profile, symbol=story.position.symbol, entry_quantity="1")


def seal(run: Run | None, *drafts: EventDraft) -> None:
    """Record audit events, sealed as the handlers seal them."""
    with transaction_unit(
        actor=system_actor("reconcile"),
        clock=FixedClock(),
        run_id=None if run is None else run.pk,
    ) as unit:
        for draft in drafts:
            unit.record(draft)
