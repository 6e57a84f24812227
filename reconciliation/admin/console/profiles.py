"""Every profile on one page: which are stopped, which are near it, what is open of each."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse

from reconciliation.admin import deciding_types, display
from reconciliation.admin.base import may_view
from reconciliation.admin.console.meters import meter_of, usd
from reconciliation.admin.console.pages import ConsolePage, render
from reconciliation.admin.links import anchor, changelist_url, link, page_url
from reconciliation.admin.reads import free_capital
from reconciliation.enums import MismatchStatus
from reconciliation.models import CapitalBalance, Mismatch, Profile, Trade
from reconciliation.selectors.alerts import load_open_pauses
from reconciliation.selectors.profiles import ProfileStatus, load_statuses
from reconciliation.selectors.watchdog import load_strains

REFRESH_SECONDS = 15
SHOWN = 200


def profiles(request: HttpRequest) -> HttpResponse:
    """Show how every profile stands, in a number of queries that does not grow with them."""
    if not may_view(request, Profile):
        raise PermissionDenied
    conf, now = deciding_types.load_conf(), deciding_types.now()
    first = list(Profile.objects.order_by("name")[: SHOWN + 1])
    statuses = load_statuses(first[:SHOWN])
    meters = {each.profile.pk: meter_of(each, now=now) for each in load_strains(conf=conf)}
    paused: dict[int, list[str]] = {}
    for pause in load_open_pauses():
        paused.setdefault(pause.profile_id, []).append(pause.source)
    balances = {
        row.profile_id: row
        for row in CapitalBalance.objects.filter(
            profile__in=[status.profile.pk for status in statuses]
        )
    }
    return render(
        request,
        title="Profiles",
        template="admin/console/profiles.html",
        refresh_seconds=REFRESH_SECONDS,
        rows=[
            {
                **_row(status, balances.get(status.profile.pk)),
                "meter": meters.get(status.profile.pk),
                "paused": ", ".join(paused.get(status.profile.pk, [])),
                "read": display.age(status.last_reconciliation_at, now)
                if status.last_reconciliation_at
                else "never",
            }
            for status in statuses
        ],
        more=len(first) > SHOWN,
        all_url=changelist_url(Profile),
        setup_url=page_url("console_setup"),
    )


def _row(status: ProfileStatus, balance: CapitalBalance | None) -> dict[str, Any]:
    profile = status.profile
    here = {"profile__id__exact": profile.pk}
    open_now = here | {"status__exact": MismatchStatus.OPEN.value}
    held = here | {"status__in": "OPEN,QUARANTINED"}
    return {
        "enabled": profile.enabled and profile.account.enabled,
        "name": link(profile),
        "account": link(profile.account),
        "trades": anchor(changelist_url(Trade, held), str(status.open_trades)),
        "mismatches": anchor(changelist_url(Mismatch, open_now), str(status.open_mismatches)),
        "free": "UNKNOWN: not reckoned yet" if balance is None else usd(free_capital(balance)),
    }


PAGE = ConsolePage(
    name="console_profiles",
    route="profiles/",
    view=profiles,
    title="Profiles",
    answers="which profiles may trade, and what stands against the others",
    nav=True,
    key="p",
    beside=("reconciliation_profile_changelist",),
)
