"""The steps `adopt` and `ignore`: what a person decides of what belongs to nobody."""

from reconciliation.drills.people import person_named
from reconciliation.drills.schema import DisposeStep
from reconciliation.drills.world import World
from reconciliation.enums import MismatchKind, Nobodys
from reconciliation.handlers.decision_records import Outcome
from reconciliation.handlers.nobodys import adopt, ignore
from reconciliation.handlers.nobodys_items import NobodysItem
from reconciliation.models import ExternalOrder, Fill, Mismatch

NO_SUCH_ROW = 0


def adopt_item(world: World, step: DisposeStep) -> None:
    """Take something into a profile, as the person named."""
    outcome = adopt(
        person=person_named(step.by),
        item=_item(step),
        profile=step.profile or "",
        trade=step.trade or "",
        reason=step.reason,
        comment=step.comment,
        conf=world.drill.conf,
        clock=world.clock,
    )
    _remark(world, step, outcome)


def ignore_item(world: World, step: DisposeStep) -> None:
    """Say that something is to be ignored, as the person named."""
    outcome = ignore(
        person=person_named(step.by),
        item=_item(step),
        reason=step.reason,
        comment=step.comment,
        conf=world.drill.conf,
        clock=world.clock,
    )
    _remark(world, step, outcome)


def _item(step: DisposeStep) -> NobodysItem:
    """Return what the step names; what there is not is asked for all the same, and refused."""
    of = {} if step.account is None else {"account__name": step.account}
    if step.exchange_order is not None:
        orders = ExternalOrder.objects.filter(exchange_order_id=step.exchange_order, **of)
        return _named(Nobodys.EXTERNAL_ORDER, orders.order_by("-pk").first())
    if step.fill is not None:
        fills = Fill.objects.filter(exchange_fill_id=step.fill, **of)
        return _named(Nobodys.FILL, fills.order_by("-pk").first())
    orphans = Mismatch.objects.filter(
        kind=MismatchKind.ORPHAN_POSITION, symbol=step.orphan or "", **of
    )
    return _named(Nobodys.ORPHAN, orphans.order_by("-pk").first())


def _named(kind: Nobodys, row: ExternalOrder | Fill | Mismatch | None) -> NobodysItem:
    return NobodysItem(kind=kind, id=NO_SUCH_ROW if row is None else row.pk)


def _remark(world: World, step: DisposeStep, outcome: Outcome) -> None:
    """Say what was not carried out: that is no error of the drill."""
    if outcome.refusal is not None:
        world.remarks.append(
            f"{step.name} by {step.by} was refused: {outcome.refusal}, {outcome.sentence}"
        )
