"""One line a thing: rows with sane defaults, for the set-up of a test.

Amounts may be given as strings; the instances hold what a later read would give.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

from django.db import models
from django.db.models import Value
from django.db.models.expressions import Combinable

from reconciliation.domain.amounts import parse_amount
from reconciliation.domain.keys import trade_code
from reconciliation.enums import (
    AttributionMode,
    BackfillVerdict,
    CandidateStatus,
    CapitalCause,
    Coverage,
    DecisionKind,
    DecisionReason,
    Direction,
    ErrandKind,
    ErrandStatus,
    EscalationKind,
    EscalationStatus,
    ExternalStatus,
    FillKind,
    HistoryKind,
    HistorySource,
    InstrumentType,
    LegKind,
    MismatchKind,
    MismatchStatus,
    NoGoReason,
    OrderStatus,
    OrderType,
    Origin,
    ParityKind,
    PauseSource,
    PositionMode,
    PositionSide,
    Purpose,
    QuarantineReason,
    ReviewStatus,
    RunKind,
    RunStatus,
    Side,
    TradeStatus,
)
from reconciliation.models import (
    AcceptedPosition,
    ApiKey,
    ApiKeyProfile,
    ApiKeyUse,
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
    ProfileLease,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
    WatchdogState,
)
from reconciliation.models.fields import ExactDecimalField
from tests.guards import arranging as arranging
from tests.guards import guards_lifted as guards_lifted
from tests.guards import is_arranging as is_arranging

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
SYMBOL = "BTC/USDT:USDT"

_numbers = count(1)


class FixedClock:
    """A clock that only `advance` (or a sleep) moves."""

    def __init__(self, now: datetime = NOW) -> None:
        self.moment = now

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.moment.timestamp()

    def sleep(self, seconds: float) -> None:
        self.advance(seconds=seconds)

    def lock_now(self) -> Combinable:
        return Value(self.moment, output_field=models.DateTimeField())

    def advance(self, **by: float) -> None:
        self.moment += timedelta(**by)


def make_account(name: str = "main", **values: Any) -> ExchangeAccount:
    """Return the account of that name; it is made on its first mention."""
    return _named(
        ExchangeAccount,
        name,
        values,
        exchange_id="okx",
        credential_prefix=name.upper(),
        position_mode=PositionMode.NET,
        created_at=NOW - timedelta(days=30),
    )


def make_profile(name: str = "alpha", **values: Any) -> Profile:
    """Return the profile of that name (on account `main`), made with its lease when first named."""
    account = values.pop("account", None) or make_account()
    profile = _named(
        Profile,
        name,
        values,
        account=account,
        sub_tag=f"{name}01",
        allocated_capital_usd="100000",
        created_at=NOW - timedelta(days=30),
    )
    ProfileLease.objects.get_or_create(profile=profile)
    return profile


def make_trade(profile: Profile | None = None, **values: Any) -> Trade:
    """Make a trade; its status follows its quantities unless given. It has no history rows."""
    profile = profile or make_profile()
    entry = parse_amount(values.setdefault("entry_quantity", "0"))
    left = entry - parse_amount(values.setdefault("exit_quantity", "0"))
    status = TradeStatus.PENDING
    if entry > 0:
        status = TradeStatus.OPEN if left > 0 else TradeStatus.CLOSED
    trade_id = values.setdefault("trade_id", f"T{next(_numbers)}")
    return _create(
        Trade,
        values,
        account=profile.account,
        profile=profile,
        code=trade_code(profile.sub_tag, trade_id),
        symbol=SYMBOL,
        direction=Direction.LONG,
        sub_tag=profile.sub_tag,
        status=status,
        opened_at=NOW - timedelta(hours=2),
        last_activity_at=NOW - timedelta(hours=2),
    )


def make_order(trade: Trade | None = None, **values: Any) -> Order:
    """Make an order of a trade (of none where `trade` is None), open and unfilled."""
    profile = values.pop("profile", None) or (trade.profile if trade else make_profile())
    number = next(_numbers)
    return _create(
        Order,
        values,
        account=profile.account,
        profile=profile,
        trade=trade,
        purpose=Purpose.ENTRY,
        origin=Origin.BOT,
        client_order_id=f"client{number}",
        exchange_order_id=str(1_000_000 + number),
        symbol=trade.symbol if trade else SYMBOL,
        side=Side.BUY,
        type=OrderType.LIMIT,
        sub_tag=profile.sub_tag,
        status=OrderStatus.OPEN,
        quantity="0.5",
        price="60000",
        filled_quantity="0",
        created_at=NOW - timedelta(hours=2),
        last_activity_at=NOW - timedelta(hours=2),
    )


def make_history(trade: Trade | None = None, **values: Any) -> TradeHistory:
    """Make a history row, wholly booked; the trade's own quantities stay as they are."""
    quantity = values.setdefault("quantity", "0.5")
    return _create(
        TradeHistory,
        values,
        trade=trade or make_trade(entry_quantity=quantity),
        key=f"row{next(_numbers)}",
        kind=HistoryKind.ENTRY,
        source=HistorySource.BOT,
        booked_quantity=quantity,
        price="60000",
        executed_at=NOW - timedelta(hours=2),
        recorded_at=NOW - timedelta(hours=2),
    )


def make_fill(account: ExchangeAccount | None = None, **values: Any) -> Fill:
    """Make a fill as the exchange showed it, booked to nothing."""
    return _create(
        Fill,
        values,
        account=account or make_account(),
        symbol=SYMBOL,
        side=Side.BUY,
        exchange_fill_id=str(9_000_000 + next(_numbers)),
        instrument_type=InstrumentType.SWAP,
        kind=FillKind.TRADE,
        quantity="0.5",
        allocated_quantity="0",
        price="60000",
        fee="1.5",
        fee_currency="USDT",
        executed_at=NOW - timedelta(hours=2),
        recorded_at=NOW - timedelta(hours=2),
    )


def make_allocation(fill: Fill, history: TradeHistory, **values: Any) -> FillAllocation:
    """Make an allocation of the row's booked quantity; the fill's running total stays as it is."""
    return _create(
        FillAllocation,
        values,
        fill=fill,
        trade=history.trade,
        history=history,
        quantity=history.booked_quantity,
        recorded_at=NOW,
    )


def make_position(profile: Profile | None = None, **values: Any) -> Position:
    """Make a position row: long half a coin."""
    return _create(
        Position,
        values,
        profile=profile or make_profile(),
        symbol=SYMBOL,
        direction=Direction.LONG,
        quantity="0.5",
        entry_price="60000",
        updated_at=NOW - timedelta(hours=2),
    )


def make_leg(order: Order | None = None, **values: Any) -> OrderLeg:
    """Make a leg of an order: the exchange order that replaced its own."""
    order = order or make_order()
    return _create(
        OrderLeg,
        values,
        order=order,
        account=order.account,
        symbol=order.symbol,
        exchange_order_id=str(1_000_000 + next(_numbers)),
        kind=LegKind.REPLACEMENT,
        recorded_at=NOW,
    )


def make_external_order(account: ExchangeAccount | None = None, **values: Any) -> ExternalOrder:
    """Make an open exchange order that belongs to nobody and waits for a person."""
    account = account or make_account()
    return _create(
        ExternalOrder,
        values,
        account=account,
        symbol=SYMBOL,
        exchange_order_id=str(1_000_000 + next(_numbers)),
        side=Side.BUY,
        quantity="0.5",
        price="60000",
        status=ExternalStatus.PENDING,
        why="no tag",
        first_run=values.pop("first_run", None) or make_run(account),
        first_seen_at=NOW,
    )


def make_review(trade: Trade | None = None, **values: Any) -> ReviewItem:
    """Make a quarantine item that waits for a person."""
    trade = trade or make_trade(entry_quantity="0.5", status=TradeStatus.QUARANTINED)
    return _create(
        ReviewItem,
        values,
        account=trade.account,
        profile=trade.profile,
        status=ReviewStatus.PENDING,
        reason=QuarantineReason.UNATTRIBUTED,
        trade=trade,
        quantity="0.5",
        evidence_hash="0" * 64,
        first_run=values.pop("first_run", None) or make_run(trade.account),
        opened_at=NOW,
    )


def make_candidate(fill: Fill | None = None, **values: Any) -> BackfillCandidate:
    """Make a fill that could be a missed exit and waits for a person."""
    fill = fill or make_fill(side=Side.SELL)
    return _create(
        BackfillCandidate,
        values,
        account=fill.account,
        fill=fill,
        status=CandidateStatus.PENDING,
        verdict=BackfillVerdict.NO_GO,
        reasons=[NoGoReason.WEAK_ATTRIBUTION.value, NoGoReason.HEURISTIC_DISABLED.value],
        mode=AttributionMode.NONE,
        quantity="0.5",
        evidence_hash="0" * 64,
        first_run=values.pop("first_run", None) or make_run(fill.account),
        opened_at=NOW,
        judged_at=NOW,
    )


def make_run(account: ExchangeAccount | None = None, **values: Any) -> Run:
    """Make a run, finished and complete unless its status says otherwise."""
    running = values.get("status") == RunStatus.RUNNING
    return _create(
        Run,
        values,
        account=account or make_account(),
        kind=RunKind.RECONCILE,
        status=RunStatus.SUCCEEDED,
        coverage=Coverage.NONE if running else Coverage.COMPLETE,
        claim_token=uuid4(),
        claim_expires_at=NOW + timedelta(seconds=90),
        started_at=NOW,
        finished_at=None if running else NOW,
        as_of=None if running else NOW,
    )


def make_mismatch(run: Run | None = None, **values: Any) -> Mismatch:
    """Make a mismatch that a run saw: an open one unless given."""
    run = run or make_run()
    return _create(
        Mismatch,
        values,
        account=run.account,
        kind=MismatchKind.MISSING_FROM_EXCHANGE,
        key=f"difference{next(_numbers)}",
        symbol=SYMBOL,
        status=MismatchStatus.OPEN,
        first_run=run,
        opened_at=NOW,
    )


def make_sighting(mismatch: Mismatch | None = None, **values: Any) -> MismatchSighting:
    """Make the count of a mismatch's sightings: seen once, by its first run."""
    mismatch = mismatch or make_mismatch()
    return _create(
        MismatchSighting,
        values,
        mismatch=mismatch,
        last_run=mismatch.first_run,
        last_seen_at=NOW,
    )


def make_beat(cluster: str = "", **values: Any) -> ClusterBeat:
    """Make the row of a worker cluster that took a task a moment ago."""
    cluster = cluster or f"cluster{next(_numbers)}"
    times = {"started_at": NOW, "task_at": NOW, "result_at": NOW}
    return _create(ClusterBeat, values, cluster=cluster, host="recon-1", **times)


def make_look_up(order: Order | None = None, **values: Any) -> OrderLookUp:
    """Make the note of when an order was last asked for."""
    return _create(OrderLookUp, values, order=order or make_order(), asked_at=NOW)


def make_api_key(name: str = "", **values: Any) -> ApiKey:
    """Make a key for alpha that was never used; nobody knows its secret."""
    account = values.pop("account", None) or make_profile().account
    number = next(_numbers)
    key: ApiKey = _create(
        ApiKey,
        values,
        name=name or f"bot{number}",
        account=account,
        public_id=f"{number:012x}",
        digest=f"{number:064x}",
        created_at=NOW,
        created_by="eve (shell)",
        expires_at=NOW + timedelta(days=365),
    )
    _create(ApiKeyUse, {}, api_key=key)
    return key


def make_api_key_scope(key: ApiKey | None = None, **values: Any) -> ApiKeyProfile:
    """Let a key be for a profile, alpha unless given."""
    key = key or make_api_key()
    return _create(
        ApiKeyProfile, values, api_key=key, profile=values.get("profile", make_profile())
    )


def make_decision(subject: Any = None, **values: Any) -> Decision:
    """Make a person's decision on one question: an approval of a quarantine item unless given."""
    subject = subject or make_review()
    named = {
        ReviewItem: "review",
        BackfillCandidate: "candidate",
        ExternalOrder: "external_order",
        Fill: "fill",
        Mismatch: "mismatch",
    }
    return _create(
        Decision,
        {named[type(subject)]: subject, **values},
        account=subject.account,
        profile=getattr(subject, "profile", None),
        kind=DecisionKind.APPROVED,
        maker_id="7",
        maker_name="olga",
        reason=DecisionReason.CONFIRMED_FLAT,
        evidence_hash=getattr(subject, "evidence_hash", ""),
        item_version=getattr(subject, "version", 1),
        decided_at=NOW,
    )


def make_parity_watch(account: ExchangeAccount | None = None, **values: Any) -> ParityWatch:
    """Make the streak of a position: clean, counted once."""
    account = account or make_account()
    return _create(
        ParityWatch,
        values,
        account=account,
        symbol=SYMBOL,
        side=PositionSide.NET,
        kind=ParityKind.CLEAN,
        streak=1,
        counted_as_of=NOW,
        last_run=values.pop("last_run", None) or make_run(account, kind=RunKind.HEARTBEAT),
    )


def make_parity_reading(run: Run | None = None, **values: Any) -> ParityReading:
    """Make what a heartbeat read of a position: a ghost of half a coin."""
    run = run or make_run(kind=RunKind.HEARTBEAT)
    return _create(
        ParityReading,
        values,
        run=run,
        account=run.account,
        symbol=SYMBOL,
        side=PositionSide.NET,
        kind=ParityKind.GHOST_POSITION,
        streak=1,
        virtual_quantity="0.5",
        actual_quantity="0",
        mark="60000",
        as_of=NOW,
    )


def make_mark(account: ExchangeAccount | None = None, **values: Any) -> MarkPrice:
    """Make the last mark of a symbol."""
    return _create(
        MarkPrice,
        values,
        account=account or make_account(),
        symbol=SYMBOL,
        price="60000",
        as_of=NOW,
    )


def make_accepted_position(
    account: ExchangeAccount | None = None, **values: Any
) -> AcceptedPosition:
    """Make what a person ignored of an account's position: half a coin that no slice explains."""
    account = account or make_account()
    decision = values.pop("decision", None) or make_decision(
        make_mismatch(make_run(account), kind=MismatchKind.ORPHAN_POSITION),
        kind=DecisionKind.IGNORED,
        reason=DecisionReason.NOT_OURS,
    )
    return _create(
        AcceptedPosition,
        values,
        account=account,
        symbol=SYMBOL,
        side=PositionSide.NET,
        quantity="0.5",
        decision=decision,
        updated_at=NOW,
    )


def make_pause(profile: Profile | None = None, **values: Any) -> Pause:
    """Make an open pause, of the watchdog unless given."""
    return _create(
        Pause,
        values,
        profile=profile or make_profile(),
        source=PauseSource.PARITY_WATCHDOG,
        started_at=NOW,
    )


def make_watchdog_state(profile: Profile | None = None, **values: Any) -> WatchdogState:
    """Make what the watchdog knows of a profile: that nothing differs, for one heartbeat."""
    return _create(
        WatchdogState,
        values,
        profile=profile or make_profile(),
        notional_usd="0",
        is_known=True,
        clean_heartbeats=1,
        as_of=NOW,
    )


def make_capital_balance(profile: Profile | None = None, **values: Any) -> CapitalBalance:
    """Make a profile's balance: all that it was allocated is free. It has no ledger rows."""
    profile = profile or make_profile()
    return _create(
        CapitalBalance,
        values,
        profile=profile,
        allocated_usd=profile.allocated_capital_usd,
        reserved_usd="0",
        used_usd="0",
        updated_at=NOW,
    )


def make_capital_entry(profile: Profile | None = None, **values: Any) -> CapitalEntry:
    """Make a row of a profile's ledger: its allocation; the balance stays as it is."""
    profile = profile or make_profile()
    return _create(
        CapitalEntry,
        values,
        profile=profile,
        cause=CapitalCause.ALLOCATION,
        allocated_usd=profile.allocated_capital_usd,
        reserved_usd="0",
        used_usd="0",
        recorded_at=NOW,
    )


def make_errand(account: ExchangeAccount | None = None, **values: Any) -> Errand:
    """Make an errand that no worker has taken up: one cycle of an account."""
    return _create(
        Errand,
        values,
        kind=ErrandKind.RECONCILE,
        status=ErrandStatus.ASKED,
        account=account or make_account(),
        asked_by="olga",
        asked_at=NOW,
    )


def make_outside_edit(trade: Trade | None = None, **values: Any) -> OutsideEdit:
    """Make a note that somebody changed a trade past the portal; no run has seen it."""
    trade = trade or make_trade()
    return _create(
        OutsideEdit,
        values,
        kind="trade",
        row_id=trade.pk,
        account=trade.account,
        profile=trade.profile,
        trade=trade,
        symbol=trade.symbol,
        before={"status": "OPEN"},
        after={"status": "CLOSED"},
        edited_at=NOW,
    )


def make_escalation(account: ExchangeAccount | None = None, **values: Any) -> Escalation:
    """Make an open escalation of an account: a mismatch that stays, of an object of its own."""
    kind = values.setdefault("kind", EscalationKind.PERSISTENT_MISMATCH)
    about = values.pop("about", f"object {next(_numbers)}")
    return _create(
        Escalation,
        values,
        key=f"{kind} {about}",
        status=EscalationStatus.OPEN,
        account=account or make_account(),
        says="something stays",
        opened_at=NOW,
    )


def make_escalation_sighting(
    escalation: Escalation | None = None, **values: Any
) -> EscalationSighting:
    """Make the count of an escalation's sightings: seen once."""
    return _create(
        EscalationSighting,
        values,
        escalation=escalation or make_escalation(),
        last_seen_at=NOW,
    )


def _named(model: Any, name: str, values: dict[str, Any], **defaults: Any) -> Any:
    found = model.objects.filter(name=name).first()
    if found is None:
        return _create(model, values, name=name, **defaults)
    different = {key for key, value in values.items() if getattr(found, key) != value}
    if different:
        raise ValueError(f"{name} was made before, with other {', '.join(sorted(different))}")
    return found


def _create(model: Any, values: dict[str, Any], **defaults: Any) -> Any:
    row = model(**{**defaults, **values})
    for field in model._meta.concrete_fields:
        value = getattr(row, field.attname)
        if isinstance(field, ExactDecimalField) and not isinstance(value, Decimal | None):
            setattr(row, field.attname, parse_amount(value))
    with arranging():
        row.save(force_insert=True)
    return row
