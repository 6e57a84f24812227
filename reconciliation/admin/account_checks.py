"""What a test of an account found, on the page of its errand."""

from django.urls import reverse

from reconciliation.admin import display
from reconciliation.admin.links import anchor
from reconciliation.admin.page import Table, strong
from reconciliation.enums import CheckState
from reconciliation.models import Errand

_FOUND = {
    CheckState.PASSED: "✓ passed",
    CheckState.WARNING: "! to look at",
    CheckState.FAILED: "✗ failed",
    CheckState.NOT_ASKED: "– not asked",
}


def check_table(errand: Errand) -> Table:
    """Return what a test of an account found: a line a part, in words, with the way out."""
    lines = errand.result.get("lines", [])
    return Table(
        title="What was tested",
        headings=["Part", "Result", "What was found", "What to do"],
        rows=[
            [
                display.text(each["part"]),
                _FOUND[CheckState(each["state"])],
                strong(display.text(each["says"]))
                if each["state"] == CheckState.FAILED
                else display.text(each["says"]),
                display.text(each["way_out"]),
            ]
            for each in lines
        ],
        empty="Nothing could be tested.",
        more=_set_up(errand),
        foreign=True,
    )


def _set_up(errand: Errand) -> str:
    if errand.account_id is None:
        return ""
    url = reverse("admin:console_setup_account", args=[errand.account_id])
    return anchor(url, "Back to the set-up of the account, to test it again")
