"""Remember which orders were asked for, so that each gets its turn."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from reconciliation.handlers.bulk import insert_missing_rows
from reconciliation.models import OrderLookUp
from reconciliation.selectors.lists import id_list


def record_look_ups(*, order_ids: Collection[int], now: datetime) -> None:
    """Note when the orders were asked for; two statements however many they are."""
    if not order_ids:
        return
    with transaction.atomic(durable=True):
        rows = [OrderLookUp(order_id=order_id, asked_at=now) for order_id in sorted(order_ids)]
        insert_missing_rows(OrderLookUp, rows, conflict_fields=["order"])
        OrderLookUp.objects.filter(order_id__in=id_list(order_ids)).update(asked_at=now)
