"""What a person saw when he decided, kept in his form, beside what there is when it arrives.

It is signed, so that a conflict page never says that somebody saw what was not there. It is shown
only: what may be written is decided by the version alone.
"""

from typing import Any

from django.core import signing
from django.utils.html import format_html

from reconciliation.admin import display
from reconciliation.admin.deciding_types import Case
from reconciliation.admin.page import Table
from reconciliation.admin.records import words
from reconciliation.admin.sides import leaves
from reconciliation.domain.amounts import plain
from reconciliation.models import BackfillCandidate, Mismatch, ReviewItem
from reconciliation.selectors.states import trade_state

MOST = 60
"""Fields that are kept: evidence may be of any size, and a form is sent back whole."""
_LONGEST = 120
_SALT = "reconciliation.seen"
_JSON = ("evidence", "database_side", "exchange_side")
_FIELDS = ("status", "reason", "verdict", "drift", "quantity", "price", "why", "evidence_hash")


def seen_of(case: Case) -> dict[str, str]:
    """Return what a row says now, by the names of its fields."""
    row: Any = case.row
    found = {"version": str(case.version)}
    for name in _FIELDS:
        if hasattr(row, name):
            value = getattr(row, name)
            is_amount = name in ("drift", "quantity", "price") and value is not None
            found[name] = plain(value) if is_amount else display.text(value)
    if isinstance(row, BackfillCandidate):
        found["reasons"] = display.text(", ".join(row.reasons))
    trade = row.trade if isinstance(row, ReviewItem | BackfillCandidate | Mismatch) else None
    if trade is not None:
        found["slice.status"] = display.text(trade.status)
        found["slice.open"] = plain(trade_state(trade).open_quantity)
    for name in _JSON:
        value = getattr(row, name, None)
        if isinstance(value, dict):
            for key, each in leaves(value):
                found[f"{name}.{key}"] = display.clipped(display.inline_json(each), _LONGEST)
    return dict(list(found.items())[:MOST])


def sealed(case: Case) -> str:
    """Return what a row says now as a form carries it."""
    return signing.dumps(seen_of(case), salt=_salt(case), compress=True)


def difference(case: Case, token: str) -> list[Table]:
    """Return what has changed since a form was shown, field by field; nothing for no such form."""
    try:
        saw: dict[str, str] = signing.loads(token, salt=_salt(case))
    except signing.BadSignature:
        return []
    is_now = seen_of(case)
    names = [name for name in {**saw, **is_now} if saw.get(name) != is_now.get(name)]
    same = sum(1 for name in saw if saw[name] == is_now.get(name))
    changed = format_html('<strong class="word differs">{}</strong>', "changed")
    return [
        Table(
            title="What you saw, and what there is now",
            headings=["Field", "You saw", "There is now", "Comparison"],
            rows=[
                [
                    words(name),
                    saw.get(name, display.NOTHING),
                    is_now.get(name, display.NOTHING),
                    changed,
                ]
                for name in names
            ],
            empty="Of what you saw, nothing reads otherwise now.",
            note=f"{same} other fields read as you saw them.",
            foreign=True,
        )
    ]


def _salt(case: Case) -> str:
    return f"{_SALT}.{case.row._meta.model_name}.{case.row.pk}"
