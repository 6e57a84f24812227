"""A world with a row of everything, of which the newest are as long as rows ever get."""

from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import Model

from reconciliation.domain.audit import EventDraft
from reconciliation.enums import OrderStatus, RunStatus
from tests import builders
from tests.admin.pages import list_address, object_address
from tests.admin.story import Story, add_to, seal, tell

CLIENT_ORDER_ID = "rcu3ywmykeuvqgr32r6svcbi0016p5dg"
EXCHANGE_ID = "1795362486087000008"
AMOUNT = "12345.12345678"


def long_story() -> Story:
    """Tell a story, and beside it make rows whose ids and amounts are as long as real ones."""
    story = tell()
    add_to(story, 1)
    trade = builders.make_trade(
        story.profile,
        trade_id="breakout-4h-BTC-2026-01-05-00017",
        entry_quantity=AMOUNT,
        average_entry_price=AMOUNT,
        average_exit_price=AMOUNT,
    )
    order = builders.make_order(
        trade,
        client_order_id=CLIENT_ORDER_ID,
        exchange_order_id=EXCHANGE_ID,
        status=OrderStatus.PARTIALLY_FILLED,
        quantity=AMOUNT,
        filled_quantity=AMOUNT,
        average_price=AMOUNT,
        delivered_status=OrderStatus.OPEN,
        delivered_filled_quantity="0",
        delivered_quantity="1",
    )
    run = builders.make_run(
        status=RunStatus.FAILED,
        error=f"okx answered 503 to GET /api/v5/trade/orders-pending{'?after=1' * 9}\n{'-' * 300}",
        unread={"open_orders.regular": "timeout"},
        counts={"orders": 1200, "mismatches": 31, "look_ups": 50, "look_ups_waiting": 12},
    )
    fill = builders.make_fill(
        exchange_fill_id=EXCHANGE_ID,
        exchange_order_id=EXCHANGE_ID,
        client_order_id=CLIENT_ORDER_ID,
        quantity=AMOUNT,
        run=run,
        raw='{"' + "x" * 500 + '":1}',
    )
    history = builders.make_history(
        trade, order=order, quantity=AMOUNT, run=run, evidence_hash="e" * 64
    )
    builders.make_allocation(fill, history)
    mismatch = builders.make_mismatch(
        run,
        profile=story.profile,
        trade=trade,
        order=order,
        drift=AMOUNT,
        resolution="booked 12345.12345678, order now FILLED, 31.5 not booked: " + "why " * 20,
        evidence_hash="f" * 64,
        database_side={"client_order_id": CLIENT_ORDER_ID, "long": "x" * 300},
        exchange_side={"order": {"client_order_id": CLIENT_ORDER_ID, "status": "FILLED"}},
    )
    builders.make_sighting(mismatch)
    seal(
        run,
        EventDraft(
            action="trade.synthetic_exit_replaced",
            object_type="trade",
            object_id=str(trade.pk),
            profile=story.profile.name,
            account=story.account.name,
            before={"trade": {"exit_quantity": "0"}},
            after={"trade": {"exit_quantity": AMOUNT}, "fills": [{"fill_id": EXCHANGE_ID}]},
        ),
    )
    return story


def starts() -> list[str]:
    """Return every list, and the page of the newest row of each: the longest ids are there."""
    found = ["/admin/", "/admin/reconciliation/", "/admin/password_change/"]
    for model in (*apps.get_app_config("reconciliation").get_models(), User):
        found += [object_address(_newest(model)), list_address(model)]
    return found


def _newest(model: type[Model]) -> Model:
    row = model._default_manager.order_by("-pk").first()
    assert row is not None, f"the story has no {model.__name__}"
    return row
