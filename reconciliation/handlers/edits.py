"""Rows that somebody changed past the portal: told to a person, left alone until he has answered.

Triggers note the change; a run tells of it when it begins. Until a person has acknowledged the
escalation no run writes to the row, its trade, or the slices of its position: `LeftAlone`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Exists, Model, OuterRef, Q, Value

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.amounts import plain
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.escalations import Cause, plan_escalations
from reconciliation.enums import EscalationKind, EscalationStatus
from reconciliation.handlers.escalations import write_escalations
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import (
    Escalation,
    ExchangeAccount,
    Order,
    OutsideEdit,
    Position,
    Trade,
)
from reconciliation.models.fields import ExactDecimalField
from reconciliation.selectors.causes import load_open_escalations
from reconciliation.selectors.lists import id_list

KIND = EscalationKind.EDITED_OUTSIDE
MODELS: Mapping[str, type[Model]] = {"order": Order, "trade": Trade, "position": Position}


def notice_edits(
    *, account: ExchangeAccount, run_id: int, conf: Conf, clock: Clock, actor: Actor
) -> int:
    """Tell of the edits of an account, take up what was acknowledged; return how many wait.

    One query where there is none.
    """
    edits = _unsettled(account)
    if not edits:
        return 0
    acknowledged = _acknowledged(account)
    if all(each.noticed_at is not None and _key(each) not in acknowledged for each in edits):
        return len(edits)
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), run_id=run_id
    ) as unit:
        # Of two jobs at once the second waits, and then finds it told.
        locked = ExchangeAccount.objects.select_for_update(no_key=True).filter(pk=account.pk)
        list(locked.values_list("pk"))
        edits, acknowledged = _unsettled(account), _acknowledged(account)
        told = [each for each in edits if each.noticed_at is None]
        # What was edited again after it was told of is a new question.
        again = {_key(each) for each in told}
        settled = [each for each in edits if _key(each) in acknowledged and _key(each) not in again]
        for each in told:
            unit.record(_event("row.edited_outside", each, account, acknowledged={}))
        for each in settled:
            unit.record(_event("row.edit_accepted", each, account, acknowledged=acknowledged))
        OutsideEdit.objects.filter(pk__in=id_list(e.pk for e in told)).update(noticed_at=unit.now)
        OutsideEdit.objects.filter(pk__in=id_list(e.pk for e in settled)).update(
            settled_at=unit.now
        )
        left = [each for each in edits if each not in settled]
        _escalate(left, account, run_id, unit, again & acknowledged.keys())
    return len(left)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftAlone:
    """Rows, by id, that a run must not write to."""

    trades: Collection[int]
    orders: Collection[int]
    positions: Collection[int]


def load_left_alone(
    *,
    trades: Collection[int] = (),
    orders: Collection[int] = (),
    positions: Collection[int] = (),
) -> LeftAlone:
    """Return which of these rows were edited, one query; the caller has locked them before.

    A statement of its own: one that waits for the lock of a row sees that row as it has become,
    and of other tables what there was before the wait, without the note of that very edit.
    """
    asked = (
        (Trade.objects.filter(_trade_left_alone()), "trade", trades),
        (Order.objects.filter(_order_left_alone()), "order", orders),
        (Position.objects.filter(_position_left_alone()), "position", positions),
    )
    parts = [
        rows.filter(pk__in=id_list(keys)).order_by().values_list(Value(word), "pk")
        for rows, word, keys in asked
        if keys
    ]
    found: dict[str, set[int]] = {word: set() for word in MODELS}
    if parts:
        for word, key in parts[0].union(*parts[1:], all=True):
            found[word].add(key)
    return LeftAlone(trades=found["trade"], orders=found["order"], positions=found["position"])


def _trade_left_alone() -> Exists:
    """Return the condition that a trade must not be written to by a run."""
    edits = OutsideEdit.objects.unsettled().order_by()
    return Exists(
        edits.filter(
            Q(trade_id=OuterRef("pk"))
            | Q(
                kind="position",
                profile_id=OuterRef("profile_id"),
                symbol=OuterRef("symbol"),
                direction=OuterRef("direction"),
            ),
            account_id=OuterRef("account_id"),
        )
    )


def _order_left_alone() -> Exists:
    """Return the condition that an order must not be written to by a run."""
    edits = OutsideEdit.objects.unsettled().order_by()
    return Exists(
        edits.filter(kind="order", row_id=OuterRef("pk"), account_id=OuterRef("account_id"))
    )


def _position_left_alone() -> Exists:
    """Return the condition that a position row must not be written to by a run."""
    edits = OutsideEdit.objects.unsettled().order_by()
    return Exists(edits.filter(kind="position", row_id=OuterRef("pk")))


def _unsettled(account: ExchangeAccount) -> list[OutsideEdit]:
    rows = OutsideEdit.objects.unsettled().filter(account=account)
    return list(rows.select_related("profile").order_by("pk"))


def _acknowledged(account: ExchangeAccount) -> dict[str, str]:
    rows = Escalation.objects.filter(
        account=account, kind=KIND, status=EscalationStatus.ACKNOWLEDGED
    )
    return dict(rows.values_list("key", "acknowledged_by"))


def _key(edit: OutsideEdit) -> str:
    return f"{KIND} {edit.kind} {edit.row_id}"


def _escalate(
    left: Sequence[OutsideEdit],
    account: ExchangeAccount,
    run_id: int,
    unit: Unit,
    asked_again: set[str],
) -> None:
    """Open one escalation a row, and resolve those whose edits are taken up."""
    causes = {
        _key(each): Cause(
            kind=KIND,
            about=f"{each.kind} {each.row_id}",
            says=(
                f"{each.profile.name}: {each.kind} {each.row_id} in {each.symbol} was edited past"
                " the portal; nothing is written to it until somebody acknowledges this"
            ),
            profile_id=each.profile_id,
            detail={"table": each.kind, "row": each.row_id, **_sides(each)},
        )
        for each in left
    }
    before = load_open_escalations(account.pk)
    # An answer to the edit before is none to this one: it ends, and another one opens.
    ended = [each for each in before if each.key in asked_again]
    if ended:
        plan = plan_escalations(open_before=ended, causes=(), judged=(KIND,))
        write_escalations(plan, account=account, run_id=run_id, unit=unit)
    plan = plan_escalations(
        open_before=[each for each in before if each.key not in asked_again],
        causes=causes.values(),
        judged=(KIND,),
    )
    write_escalations(plan, account=account, run_id=run_id, unit=unit)


def _event(
    action: str, edit: OutsideEdit, account: ExchangeAccount, *, acknowledged: Mapping[str, str]
) -> EventDraft:
    sides = _sides(edit)
    by = acknowledged.get(_key(edit), "")
    return EventDraft(
        action=action,
        object_type=edit.kind,
        object_id=str(edit.row_id),
        profile=edit.profile.name,
        account=account.name,
        before=sides["before"],
        after={**sides["after"], "edited_at": edit.edited_at.isoformat()},
        comment=f"acknowledged by {by}" if by else "changed past the portal",
    )


def _sides(edit: OutsideEdit) -> dict[str, dict[str, Any]]:
    """Return the columns that differ, before and after."""
    names = [name for name in edit.after if edit.before.get(name) != edit.after[name]]
    return {
        "before": {name: _shown(edit, name, edit.before.get(name)) for name in names},
        "after": {name: _shown(edit, name, edit.after.get(name)) for name in names},
    }


def _shown(edit: OutsideEdit, name: str, value: Any) -> Any:
    """Return a column as it is shown elsewhere; one that cannot be read as it is kept."""
    field = next(
        (each for each in MODELS[edit.kind]._meta.concrete_fields if each.column == name), None
    )
    if value is None or not isinstance(field, ExactDecimalField):
        return storable(value)
    try:
        if connection.vendor == "sqlite":
            value = field.from_db_value(value, None, connection)
        amount = field.to_python(value)
    except Exception:
        # Whatever somebody wrote there: SQLite keeps any text.
        return storable(str(value))
    return None if amount is None else plain(amount)
