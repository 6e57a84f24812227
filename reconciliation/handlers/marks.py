"""The last marks that a run read: operational rows, by which money figures are shown."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from reconciliation.handlers.bulk import insert_missing_rows, update_rows
from reconciliation.models import MarkPrice
from reconciliation.selectors.lists import text_list


def keep_marks(*, account_id: int, marks: Mapping[str, Decimal], as_of: datetime) -> None:
    """Keep the marks of an account by symbol; an older one never replaces a newer one."""
    read = {symbol: price for symbol, price in marks.items() if price > 0}
    if not read:
        return
    with transaction.atomic():
        new = [
            MarkPrice(account_id=account_id, symbol=symbol, price=price, as_of=as_of)
            for symbol, price in sorted(read.items())
        ]
        if insert_missing_rows(MarkPrice, new, conflict_fields=["account", "symbol"]) == len(new):
            return
        kept = list(
            MarkPrice.objects.select_for_update(no_key=True)
            .filter(account_id=account_id, symbol__in=text_list(read), as_of__lt=as_of)
            .order_by("pk")
        )
        for row in kept:
            row.price, row.as_of = read[row.symbol], as_of
        update_rows(MarkPrice, kept, fields=["price", "as_of"])
