"""Write what concerns an account and no profile: what belongs to nobody."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from reconciliation.clock import Clock
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.books import OpenMismatch
from reconciliation.domain.plans.changes import ExternalOrderDraft, MismatchDraft
from reconciliation.domain.plans.mismatches import plan_mismatches
from reconciliation.enums import ExternalStatus
from reconciliation.handlers.bulk import insert_rows
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
    actor: Actor,
    settings_hash: str,
    clock: Clock,
) -> None:
    """Record external orders and the mismatches of no profile, fenced by the run's claim.

    No profile's books are touched, so no lease is needed.
    """
    plan = plan_mismatches(open_before=open_before, drafts=mismatches, can_see=can_see)
    if plan.is_empty and not external_orders:
        return
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=settings_hash, run_id=run_id
    ) as unit:
        fence_run(run_id=run_id, claim_token=claim_token, clock=clock)
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
    known = set(
        ExternalOrder.objects.filter(account=account, exchange_order_id__in=ids).values_list(
            "symbol", "exchange_order_id"
        )
    )
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
        if (draft.shown.symbol, draft.shown.exchange_order_id) not in known
    ]
    insert_rows(ExternalOrder, rows)
    for row in rows:
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


def _clipped(text: str | None) -> str | None:
    return None if text is None else str(storable(text))[:64]
