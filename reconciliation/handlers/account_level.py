"""Write what concerns an account and no profile: what belongs to nobody."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from uuid import UUID

from reconciliation.clock import Clock
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.books import OpenMismatch
from reconciliation.domain.plans.changes import ExternalOrderDraft, MismatchDraft
from reconciliation.domain.plans.mismatches import plan_mismatches
from reconciliation.domain.plans.nobodys import GONE_FROM_EXCHANGE, OWNED_BY_NOW
from reconciliation.domain.unowned import OrderKey
from reconciliation.enums import ExternalStatus
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.mismatches import write_mismatches
from reconciliation.handlers.runs import fence_run
from reconciliation.handlers.texts import storable, storable_json
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import ExchangeAccount, ExternalOrder
from reconciliation.selectors.lists import text_list


def apply_nobodys(
    *,
    account: ExchangeAccount,
    run_id: int,
    claim_token: UUID,
    mismatches: Sequence[MismatchDraft],
    external_orders: Sequence[ExternalOrderDraft],
    open_before: Sequence[OpenMismatch],
    can_see: Callable[[OpenMismatch], bool],
    gone_orders: Collection[OrderKey] = (),
    owned_orders: Collection[OrderKey] = (),
    actor: Actor,
    settings_hash: str,
    clock: Clock,
) -> None:
    """Record external orders and the mismatches of no profile, fenced by the run's claim.

    External orders that waited for a person are closed where they are gone from the exchange, or
    are in the books in the meantime.

    No profile's books are touched, so no lease is needed.
    """
    plan = plan_mismatches(open_before=open_before, drafts=mismatches, can_see=can_see)
    if plan.is_empty and not (external_orders or gone_orders or owned_orders):
        return
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=settings_hash, run_id=run_id
    ) as unit:
        fence_run(run_id=run_id, claim_token=claim_token, clock=clock)
        _close_external_orders(account, gone_orders, owned_orders, unit)
        _insert_external_orders(account, run_id, external_orders, unit)
        write_mismatches(
            plan=plan,
            account_id=account.pk,
            run_id=run_id,
            unit=unit,
            named=lambda event: replace(event, account=account.name),
        )


def _insert_external_orders(
    account: ExchangeAccount, run_id: int, drafts: Sequence[ExternalOrderDraft], unit: Unit
) -> None:
    ids = text_list(draft.shown.exchange_order_id for draft in drafts)
    before = {
        (row.symbol, row.exchange_order_id): row
        for row in ExternalOrder.objects.select_for_update(no_key=True).filter(
            account=account, exchange_order_id__in=ids
        )
    }
    rows = [
        ExternalOrder(
            account=account,
            symbol=draft.shown.symbol,
            exchange_order_id=draft.shown.exchange_order_id,
            # What a stranger wrote may be of any length; the raw answer below has all of it.
            client_order_id=_clipped(draft.shown.client_order_id),
            sub_tag=_clipped(draft.shown.sub_tag),
            side=draft.shown.side,
            quantity=draft.shown.quantity,
            price=draft.shown.price,
            status=ExternalStatus.PENDING,
            why=storable(draft.why)[:200],
            raw=storable_json(draft.shown.raw),
            first_run_id=run_id,
            first_seen_at=unit.now,
        )
        for draft in drafts
        if (draft.shown.symbol, draft.shown.exchange_order_id) not in before
    ]
    insert_rows(ExternalOrder, rows)
    # What was gone without anybody's word and is there again is a question again.
    back = []
    for draft in drafts:
        row = before.get((draft.shown.symbol, draft.shown.exchange_order_id))
        if row is not None and (row.status, row.why) == (
            ExternalStatus.IGNORED,
            GONE_FROM_EXCHANGE,
        ):
            row.status, row.why = ExternalStatus.PENDING, storable(draft.why)[:200]
            row.version += 1
            back.append(row)
    update_rows(ExternalOrder, back, fields=("status", "why", "version"))
    for row in [*rows, *back]:
        unit.record(
            EventDraft(
                action="external_order.found",
                object_type="external_order",
                object_id=str(row.pk),
                account=account.name,
                after={
                    "symbol": row.symbol,
                    "exchange_order_id": row.exchange_order_id,
                    "why": row.why,
                },
            )
        )


def _close_external_orders(
    account: ExchangeAccount,
    gone: Collection[OrderKey],
    owned: Collection[OrderKey],
    unit: Unit,
) -> None:
    """Take back the questions about orders that are gone, or have an owner."""
    keys = {*gone, *owned}
    if not keys:
        return
    waiting = ExternalOrder.objects.select_for_update(no_key=True).filter(
        account=account,
        status=ExternalStatus.PENDING,
        exchange_order_id__in=text_list(name for _, name in keys),
    )
    rows = [row for row in waiting.order_by("pk") if (row.symbol, row.exchange_order_id) in keys]
    for row in rows:
        is_owned = (row.symbol, row.exchange_order_id) in owned
        row.status = ExternalStatus.ADOPTED if is_owned else ExternalStatus.IGNORED
        row.why = OWNED_BY_NOW if is_owned else GONE_FROM_EXCHANGE
        row.version += 1
        unit.record(
            EventDraft(
                action="external_order.owned" if is_owned else "external_order.gone",
                object_type="external_order",
                object_id=str(row.pk),
                account=account.name,
                before={"status": ExternalStatus.PENDING},
                after={"status": row.status, "exchange_order_id": row.exchange_order_id},
                comment=row.why,
            )
        )
    update_rows(ExternalOrder, rows, fields=("status", "why", "version"))


def _clipped(text: str | None) -> str | None:
    return None if text is None else str(storable(text))[:64]
