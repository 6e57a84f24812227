"""What is held against what is recorded, position by position; what differs stands first."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse

from reconciliation.admin import deciding_types, display, supervision_tables, tables
from reconciliation.admin.base import may_view
from reconciliation.admin.console.exposure_rows import PositionShown, shown
from reconciliation.admin.console.pages import ConsolePage, render
from reconciliation.admin.links import page_url
from reconciliation.admin.page import Facts, Grid
from reconciliation.enums import MismatchKind, MismatchStatus, PositionSide
from reconciliation.models import ExchangeAccount, Mismatch, ParityReading, Trade
from reconciliation.selectors.compared import Compared, load_compared
from reconciliation.selectors.loop import load_loops

REFRESH_SECONDS = 15
SHOWN = 300


def exposure(request: HttpRequest) -> HttpResponse:
    """Show every position of the enabled accounts, or of one."""
    _check(request)
    accounts = _accounts()
    only = _only(request, accounts)
    looked_at = {only: accounts[only]} if only is not None else accounts
    rows = _load(looked_at.values())
    differing = [row for row in rows if row.is_differing]
    waiting = [row for row in rows if not row.is_differing and not row.is_clean]
    clean = [row for row in rows if row.is_clean]
    here = reverse("admin:console_exposure")
    return render(
        request,
        title="Exposure",
        template="admin/console/exposure.html",
        refresh_seconds=REFRESH_SECONDS,
        sections=_absent(looked_at),
        groups=[
            ("Where the exchange holds something else than the books say", differing[:SHOWN]),
            ("Not known, or looked at again by the next heartbeat", waiting[:SHOWN]),
        ],
        counts={"differing": len(differing), "waiting": len(waiting), "clean": len(clean)},
        clean=clean[:SHOWN],
        is_cut=max(len(differing), len(waiting), len(clean)) > SHOWN,
        most=SHOWN,
        choices=[("All accounts", here, only is None)]
        + [(row.name, f"{here}?account={pk}", only == pk) for pk, row in accounts.items()],
        has_accounts=bool(accounts),
        setup_url=page_url("console_setup"),
    )


def position(request: HttpRequest, account: int, side: str, symbol: str) -> HttpResponse:
    """Show one position: both sides, what is open of it, and what heartbeats saw of it lately."""
    _check(request)
    accounts = _accounts()
    if account not in accounts or side not in PositionSide.values:
        raise Http404("There is no such position on an account that is switched on.")
    found = [
        row
        for row in _load([accounts[account]])
        if (row.position.symbol, row.position.side) == (symbol, side)
    ]
    readings = ParityReading.objects.filter(account=account, symbol=symbol, side=side)
    here = {"account__id__exact": account, "q": symbol}
    return render(
        request,
        title=f"{display.text(symbol)} on {accounts[account].name}",
        template="admin/console/position.html",
        trail=[("Exposure", reverse("admin:console_exposure"))],
        refresh_seconds=REFRESH_SECONDS,
        sections=[
            *(_facts(row) for row in found),
            supervision_tables.parity_readings(
                readings,
                title="Latest readings other than equal",
                lookups=here,
                empty="No heartbeat found this position other than equal.",
            ).without("Symbol", "Side"),
        ],
        is_gone=not found,
    )


def _check(request: HttpRequest) -> None:
    if not all(may_view(request, model) for model in (Trade, Mismatch, ParityReading)):
        raise PermissionDenied


def _accounts() -> dict[int, ExchangeAccount]:
    rows = ExchangeAccount.objects.filter(enabled=True).defer("options").order_by("name")
    return {row.pk: row for row in rows}


def _only(request: HttpRequest, accounts: Mapping[int, ExchangeAccount]) -> int | None:
    """Return the account that the page is narrowed to; another word than one of ours is none."""
    asked = request.GET.get("account", "")
    return next((pk for pk in accounts if str(pk) == asked), None)


def _load(accounts: Iterable[ExchangeAccount]) -> list[PositionShown]:
    clock, conf = deciding_types.page_clock(), deciding_types.load_conf()
    now: datetime = clock.now()
    found: list[Compared] = load_compared(load_loops(clock=clock), accounts)
    return [shown(each, conf=conf, now=now) for each in found]


def _absent(accounts: Mapping[int, ExchangeAccount]) -> list[Grid]:
    """Return the orders and trades that are recorded here and that the exchange does not show."""
    rows = Mismatch.objects.filter(status=MismatchStatus.OPEN, account__in=accounts)
    here: dict[str, object] = {"status__exact": MismatchStatus.OPEN.value}
    if len(accounts) == 1:
        here["account__id__exact"] = next(iter(accounts))
    return [
        tables.mismatches(
            rows.filter(kind=kind),
            title=title,
            lookups=here | {"kind__exact": kind.value},
            empty=empty,
        )
        for kind, title, empty in (
            (
                MismatchKind.MISSING_FROM_EXCHANGE,
                "Orders recorded here that the exchange does not show",
                "Every order that is active here is active at the exchange too.",
            ),
            (
                MismatchKind.GHOST_POSITION,
                "Positions recorded here that the exchange does not hold",
                "The exchange holds something of every trade that is open here.",
            ),
        )
    ]


def _facts(row: PositionShown) -> Facts:
    return Facts(
        title="Position",
        rows=[
            ("Account", row.account),
            ("Symbol and side", row.words),
            ("Finding", row.finding),
            ("Open here", display.spaced(row.virtual, row.by_profile)),
            ("Held at the exchange", row.actual),
            ("Drift, exchange − database", row.drift),
            ("Worth", row.worth),
            ("Confirmations", row.streak),
            ("Exchange as of", row.read),
            ("Leads to", row.leads or display.NOTHING),
        ],
    )


PAGES = (
    ConsolePage(
        name="console_exposure",
        route="exposure/",
        view=exposure,
        title="Exposure",
        answers="what is held against what is recorded, position by position",
        nav=True,
        key="e",
    ),
    ConsolePage(
        name="console_position",
        route="exposure/<int:account>/<slug:side>/<path:symbol>/",
        view=position,
        title="Position",
        answers="both sides of one position, and its latest readings",
    ),
)
