"""How a profile stands for the gate: two queries, whatever there is, and no lock.

A bot asks before each order, so what is read is found by indexes that hold what is there now.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import (
    DateTimeField,
    Exists,
    ExpressionWrapper,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    TextField,
    Value,
)
from django.db.models.functions import Cast

from reconciliation.clock import MOST_AHEAD, Clock
from reconciliation.conf import Conf
from reconciliation.domain.amounts import ZERO, plain, total
from reconciliation.domain.gate import Difference, Gate, Holding, Standing, decide_gate
from reconciliation.domain.keys import iso_utc
from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    Direction,
    OrderClass,
    PauseSource,
    QuarantineReason,
    RunKind,
    RunStatus,
    TradeStatus,
)
from reconciliation.models import Pause, Profile, ReviewItem, Run, Trade
from reconciliation.models.fields import ExactDecimalField
from reconciliation.selectors.differences import SHARED, difference_of, open_differences

STALE_AFTER_INTERVALS = 3
_MILLISECOND = timedelta(milliseconds=1)
# No run takes this long: what began earlier cannot have read anything within the limit.
_LONGEST_RUN = timedelta(minutes=10)
# What a job must have read, by the names that a run gives to what it did not read.
_NEEDED = {
    RunKind.RECONCILE: tuple(f"open_orders.{name}" for name in OrderClass.values),
    RunKind.HEARTBEAT: ("positions", "balance"),
}
_NOTHING = Value(None, output_field=ExactDecimalField())


class _Row(NamedTuple):
    """A slice, a slice that was exited beyond, or a mismatch; which one, `what` says.

    `word` is a status or a kind. What a row has not is empty, or None.
    """

    what: str
    profile_id: Any
    trade_id: Any
    word: str
    symbol: str
    direction: str
    entry_quantity: Decimal
    exit_quantity: Decimal
    slices: str
    held: str
    streak: int


def load_gate(profile: Profile, *, conf: Conf, clock: Clock) -> tuple[Gate, datetime]:
    """Return what a profile may do now, and the moment that it holds for."""
    now = clock.now()
    standing = load_standing(profile, conf=conf, clock=clock, now=now)
    gate = decide_gate(standing, confirmations=conf.parity_confirmations, interval=conf.interval)
    return gate, now


def gate_answer(name: str, gate: Gate, as_of: datetime) -> dict[str, Any]:
    """Return a gate as a bot, and a drill, reads it: amounts as texts, times in milliseconds."""
    retry_after = gate.retry_after
    return {
        "profile": name,
        "entries_allowed": gate.entries_allowed,
        "exits_allowed": gate.exits_allowed,
        "reasons": [reason.value for reason in gate.reasons],
        "symbols": [
            {
                "symbol": each.symbol,
                "exits_allowed": each.exits_allowed,
                "reduce_only": each.reduce_only,
                "max_exit_quantity": plain(each.max_exit_quantity),
                "reasons": [reason.value for reason in each.reasons],
            }
            for each in gate.symbols
        ],
        "as_of": iso_utc(as_of),
        # A rest of a millisecond is one: who comes back too early has to come back again.
        "retry_after_ms": None if retry_after is None else -(-retry_after // _MILLISECOND),
    }


def load_standing(profile: Profile, *, conf: Conf, clock: Clock, now: datetime) -> Standing:
    """Return how a profile stands; a job that is off is not waited for.

    No job reads for a profile, or on an account, that is switched off: it counts as not read.
    """
    row = _profile_row(profile, clock=clock, conf=conf, now=now)
    is_read = row["loop_read"] and (row["heartbeat_read"] or not conf.parity_enabled)
    holdings, overclosed, differences = _load_rows(profile)
    return Standing(
        profile_id=profile.pk,
        is_read=row["enabled"] and row["account__enabled"] and is_read,
        lock_remaining=_lock_remaining(row["lease__expires_at"], row["lock_time"]),
        pauses=frozenset(source for source in PauseSource if row[f"paused_{source}"]),
        holdings=holdings,
        differences=differences,
        overclosed=overclosed,
    )


def _profile_row(profile: Profile, *, clock: Clock, conf: Conf, now: datetime) -> dict[str, Any]:
    """Return who holds the profile, who stopped it, and which jobs have read it lately."""
    pauses = Pause.objects.open().filter(profile=OuterRef("pk"))
    paused = {f"paused_{source}": Exists(pauses.filter(source=source)) for source in PauseSource}
    since = now - conf.interval * STALE_AFTER_INTERVALS
    rows = Profile.objects.filter(pk=profile.pk).annotate(
        # Not `now`: locks go by the time that their holders measure by.
        lock_time=ExpressionWrapper(clock.lock_now(), output_field=DateTimeField()),
        loop_read=Exists(_reads(RunKind.RECONCILE, profile, since, now)),
        heartbeat_read=Exists(_reads(RunKind.HEARTBEAT, profile, since, now)),
        **paused,
    )
    names = ("loop_read", "heartbeat_read", *paused)
    found: dict[str, Any] = rows.values(
        "enabled", "account__enabled", "lease__expires_at", "lock_time", *names
    ).get()
    return found


def _reads(kind: RunKind, profile: Profile, since: datetime, now: datetime) -> QuerySet[Run]:
    """Return the runs since then that read all the job needs, and had the profile's lock.

    A run that began in the future is of a clock that was wrong. One from before there was the
    profile did not see it.
    """
    runs = Run.objects.filter(
        account=OuterRef("account"),
        kind=kind,
        status__in=[RunStatus.SUCCEEDED, RunStatus.PARTIAL],
        started_at__gte=since - _LONGEST_RUN,
        as_of__gte=since,
        as_of__lte=now + MOST_AHEAD,
    ).filter(Q(only_profile="") | Q(only_profile=profile.name), as_of__gte=OuterRef("created_at"))
    # A name is a slug, so that it stands in the list's text between quotes and nowhere else.
    text = Cast("skipped_profiles", TextField())
    return (
        runs.annotate(skipped_text=text)
        .exclude(unread__has_any_keys=list(_NEEDED[kind]))
        .exclude(skipped_text__contains=f'"{profile.name}"')
        .order_by()
    )


def _lock_remaining(until: datetime | None, now: datetime) -> timedelta | None:
    return until - now if until is not None and until > now else None


def _load_rows(
    profile: Profile,
) -> tuple[tuple[Holding, ...], frozenset[str], tuple[Difference, ...]]:
    """Return slices, symbols with an open question of too large an exit, and mismatches."""
    asked = ReviewItem.objects.waiting().filter(profile=profile, reason=QuarantineReason.OVERCLOSE)
    trades = Trade.objects.order_by().filter(profile=profile)
    slices = _trade_rows(trades.filter(status__in=sorted(HOLDING_TRADE_STATUSES)), "slice")
    overclosed = _trade_rows(trades.filter(pk__in=asked.order_by().values("trade")), "overclosed")
    holdings, symbols, differences = [], set(), []
    mismatches = open_differences(profile.account_id)
    # Apart, since one condition for both would keep an engine from the index.
    own, shared = mismatches.filter(profile=profile), mismatches.filter(SHARED)
    for found in slices.union(overclosed, _mismatch_rows(own), _mismatch_rows(shared), all=True):
        row = _Row(*found)
        if row.what == "overclosed":
            symbols.add(row.symbol)
        elif row.what == "slice":
            holdings.append(
                Holding(
                    trade_id=row.trade_id,
                    symbol=row.symbol,
                    direction=Direction(row.direction),
                    status=TradeStatus(row.word),
                    open_quantity=max(ZERO, total([row.entry_quantity, -row.exit_quantity])),
                )
            )
        else:
            differences.append(
                difference_of(
                    kind=row.word,
                    symbol=row.symbol,
                    profile_id=row.profile_id,
                    trade_id=row.trade_id,
                    slices=row.slices,
                    held=row.held,
                    streak=row.streak,
                )
            )
    return tuple(holdings), frozenset(symbols), tuple(differences)


def _trade_rows(trades: QuerySet[Trade], what: str) -> QuerySet[Any, Any]:
    return trades.annotate(
        what=_text(what), slices=_text(""), held=_text(""), streak=Value(0, IntegerField())
    ).values_list(
        "what", "profile_id", "pk", "status", "symbol", "direction", "entry_quantity",
        "exit_quantity", "slices", "held", "streak",
    )  # fmt: skip


def _mismatch_rows(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """Return open mismatches in the columns of `_trade_rows`."""
    found: QuerySet[Any, Any] = rows.annotate(
        what=_text("mismatch"), direction=_text(""), entry_quantity=_NOTHING, exit_quantity=_NOTHING
    ).values_list(
        "what", "profile_id", "trade_id", "kind", "symbol", "direction", "entry_quantity",
        "exit_quantity", "slices", "held", "streak",
    )  # fmt: skip
    return found


def _text(text: str) -> Value:
    return Value(text, output_field=TextField())
