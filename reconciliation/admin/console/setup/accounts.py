"""Exchange accounts: added, looked at, tested, enabled and disabled. No key is ever typed in."""

from collections.abc import Iterator

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html_join

from reconciliation.admin import display
from reconciliation.admin.console.pages import render
from reconciliation.admin.console.setup.acts import (
    Act,
    ReasonForm,
    account_page,
    answer,
    by,
    denied,
    go,
    may_set_up,
    overview,
)
from reconciliation.admin.deciding_types import Desk, now
from reconciliation.admin.errands import follow
from reconciliation.admin.links import anchor, changelist_url, link, object_url
from reconciliation.admin.page import Facts, Notice, Section, Table
from reconciliation.cycles.accounts import (
    SeenAccount,
    UnusableAccount,
    check_described,
    see_account,
    supported_exchanges,
)
from reconciliation.domain.amounts import plain
from reconciliation.domain.api_keys import key_state
from reconciliation.enums import ErrandKind, InstrumentType, PositionMode, Right
from reconciliation.handlers.accounts import InvalidValue, create_account, set_account_enabled
from reconciliation.handlers.errands import ask_errand
from reconciliation.handlers.set_up import SetUp, set_up
from reconciliation.models import ApiKey, Errand, ExchangeAccount, Profile
from reconciliation.selectors.api_keys import keys_with_scope
from reconciliation.selectors.people import load_who_may

MOST_ROWS = 200
_PROFILE = "admin:console_setup_profile"
_MODES = {
    PositionMode.NET: "net: one position a symbol",
    PositionMode.HEDGE: "hedge: a long and a short side a symbol",
}


class AccountForm(forms.Form):
    """What an account is called, where it is, and under which names its keys are to be found."""

    name = forms.CharField(
        label="Name",
        max_length=64,
        help_text="Letters, digits, - and _; for example main. It is not changed later.",
    )
    exchange_id = forms.ChoiceField(label="Exchange")
    instrument_type = forms.ChoiceField(
        label="Instruments",
        required=False,
        choices=[
            ("", "what the exchange serves by default"),
            (InstrumentType.SWAP.value, "linear swaps only"),
            (InstrumentType.SPOT.value, "spot only"),
        ],
    )
    symbols = forms.CharField(
        label="Symbols",
        required=False,
        max_length=2000,
        help_text="All that the account trades, separated by commas: BTC/USDT:USDT for a swap,"
        " BTC/USDT for spot. Binance needs them; elsewhere leave it empty.",
    )
    position_mode = forms.ChoiceField(
        label="Position mode", choices=list(_MODES.items()), help_text="As it is at the exchange."
    )
    credential_prefix = forms.CharField(
        label="Prefix of the settings that hold its keys",
        max_length=64,
        help_text="For example MAIN, where the environment has MAIN_API_KEY. Keys are never typed"
        " in here and never in the database.",
    )

    def __init__(self, data: QueryDict | None = None) -> None:
        super().__init__(data, label_suffix="")
        choices = [(each.id, each.name) for each in supported_exchanges()]
        self.fields["exchange_id"].choices = [("", "choose an exchange"), *choices]  # type: ignore[attr-defined]

    def options(self) -> dict[str, object]:
        """Return the options of the account's client."""
        given: dict[str, object] = {}
        if self.cleaned_data["instrument_type"]:
            given["instrument_types"] = [self.cleaned_data["instrument_type"]]
        names = [each.strip() for each in self.cleaned_data["symbols"].split(",")]
        if any(names):
            given["symbols"] = [name for name in names if name]
        return given


def add_account(request: HttpRequest) -> HttpResponse:
    """Add an account."""
    act = Act(
        title="Add an exchange account",
        asked="add an account",
        word="Add the account",
        back=overview(),
        lines=[
            "The account is written with an audit event, and enabled: the scheduled jobs read it"
            " from their next turn on. Nothing is sent to the exchange by this page.",
        ],
        sections=[_table_of_exchanges()],
    )
    form = AccountForm(request.POST if request.method == "POST" else None)

    def work(desk: Desk, sent: forms.Form) -> SetUp[ExchangeAccount]:
        values = sent.cleaned_data
        options = form.options()
        try:
            check_described(
                exchange_id=values["exchange_id"],
                position_mode=values["position_mode"],
                options=options,
            )
        except UnusableAccount as error:
            raise InvalidValue(error.field, error.fault) from error
        return set_up(
            create_account,
            asked=act.asked,
            name=values["name"],
            exchange_id=values["exchange_id"],
            credential_prefix=values["credential_prefix"],
            position_mode=PositionMode(values["position_mode"]),
            options=options,
            **by(desk),
        )

    def done(outcome: SetUp[ExchangeAccount]) -> HttpResponse:
        account = outcome.value()
        said = f"{account.name} is added. Next: see whether its keys are there, and test it."
        return go(request, account_page(account)[1], said)

    return answer(request, act, form, work, done=done)


def look_at_account(request: HttpRequest, pk: int) -> HttpResponse:
    """Show how far the set-up of an account is."""
    account = find_account(pk)
    may = may_set_up(request)
    return render(
        request,
        title=f"Set-up of {display.text(account.name)}",
        template="admin/console/setup/page.html",
        trail=[overview()],
        sections=list(_sections(account, may=may)),
        offers=_offers(account) if may else [],
        test_url=_url("test", account) if may else "",
        who_may=None if may else load_who_may(Right.SET_UP),
    )


def test_account(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask a worker to test an account, and follow him."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    account = find_account(pk)
    desk = Desk.of(request)
    asked = ask_errand(
        kind=ErrandKind.CHECK_ACCOUNT,
        account=account,
        person=desk.person,
        conf=desk.conf,
        clock=desk.clock,
    )
    back = account_page(account)
    act = Act(title="Test", asked="test an account", word="", back=back, account=account)
    return follow(asked) or denied(request, act, asked.said)


def switch_account(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Enable or disable an account."""
    if verb not in ("enable", "disable"):
        raise Http404(f"An account is enabled or disabled, not {verb}.")
    account, enabled = find_account(pk), verb == "enable"
    form = ReasonForm(request.POST if request.method == "POST" else None, label_suffix="")
    names = list(account.profiles.order_by("name").values_list("name", flat=True)[:MOST_ROWS])
    of_profiles = f"its profiles ({', '.join(names)})" if names else "no profile; it has none yet"
    lines = (
        [
            f"The scheduled jobs read {account.name} again from their next turn on, for"
            f" {of_profiles}."
        ]
        if enabled
        else [
            f"Reconciliation and heartbeat of {account.name} stop from their next turn on, and with"
            f" them those of {of_profiles}.",
            "Their bots are told at the gate to open nothing new, since nothing is proven any"
            " more. No order is touched at the exchange, and nothing is deleted here.",
            "The longer it stays so, the further the books can drift from the exchange: to stop"
            " trading, pause the profiles instead.",
        ]
    )
    act = Act(
        title=f"{verb.capitalize()} {display.text(account.name)}",
        asked=f"{verb} an account",
        word=f"{verb.capitalize()} the account",
        back=account_page(account),
        lines=[display.text(line) for line in lines],
        account=account,
        destroys=not enabled,
    )

    def work(desk: Desk, sent: forms.Form) -> SetUp[bool]:
        return set_up(
            set_account_enabled,
            asked=act.asked,
            account=account.name,
            account_id=account.pk,
            enabled=enabled,
            comment=sent.cleaned_data["comment"],
            **by(desk),
        )

    def done(outcome: SetUp[bool]) -> HttpResponse:
        changed = outcome.value()
        said = f"{account.name} is {verb}d{'' if changed else ' already'}"
        return go(request, act.back[1], said, changed=changed)

    return answer(request, act, form, work, done=done)


def _sections(account: ExchangeAccount, *, may: bool) -> Iterator[Section]:
    seen = see_account(account)
    if not account.enabled:
        yield Notice(level="warning", sentence="It is disabled: no job reads it.")
    if not seen.is_whole:
        sentence = (
            "It cannot be read yet: set what is missing below where the portal is started, in the"
            " environment or in .env, and start it again."
        )
        yield Notice(level="error", sentence=sentence)
    yield Facts(
        title="Account",
        rows=[
            ("Account", link(account)),
            ("Exchange", display.text(account.exchange_id)),
            ("Position mode", display.text(account.position_mode)),
            ("Enabled", display.yes_no(account.enabled)),
            ("Baseline", display.moment(account.baseline_at)),
            ("Last test", _last_test(account)),
        ],
    )
    yield _credentials(seen)
    yield _profiles(account, may=may)
    yield _keys(account, may=may)


def _credentials(seen: SeenAccount) -> Table:
    rows = [
        [
            part.name,
            f"present (as {part.seen_as})" if part.seen_as else "absent",
            display.text(part.fault)
            or f"or {part.name}_FILE, the path of a file that holds the value alone",
        ]
        for part in seen.parts
    ]
    address = display.text(seen.base_url) if seen.base_url else "the exchange's own address"
    rows.append([seen.base_url_setting, address, display.text(seen.fault)])
    return Table(
        title="Its keys, as this process sees them",
        headings=["Setting", "Seen", "Note"],
        rows=rows,
        foreign=True,
        note="Whether each is there; never what it is. Make a key at the exchange that may only"
        " read. The workers must see the same: run_portal gives them the same environment.",
    )


def _profiles(account: ExchangeAccount, *, may: bool) -> Table:
    profiles = account.profiles.order_by("name")[:MOST_ROWS]
    return Table(
        title="Profiles",
        headings=["Profile", "Sub tag", "Allocated capital (USD)", "Enabled", "Change"],
        rows=[
            [
                link(each),
                display.text(each.sub_tag),
                plain(each.allocated_capital_usd),
                display.yes_no(each.enabled),
                _profile_links(each) if may else display.NOTHING,
            ]
            for each in profiles
        ],
        empty="No profile trades on this account yet: every order would belong to nobody.",
    )


def _profile_links(profile: Profile) -> str:
    verb = "disable" if profile.enabled else "enable"
    verbs = ("capital", verb)
    links = [(anchor(reverse(_PROFILE, args=[profile.pk, each]), each),) for each in verbs]
    return format_html_join(", ", "{}", links)


def _keys(account: ExchangeAccount, *, may: bool) -> Table:
    moment = now()
    rows = []
    for key in keys_with_scope().filter(account=account).order_by("name")[:MOST_ROWS]:
        state = key_state(expires_at=key.expires_at, revoked_at=key.revoked_at, now=moment)
        names = ", ".join(profile.name for profile in key.profiles.all())
        url = reverse("admin:console_setup_key_revoke", args=[key.pk])
        rows.append(
            [
                link(key),
                display.text(names),
                state,
                display.moment(key.expires_at),
                anchor(url, "revoke") if may and key.revoked_at is None else display.NOTHING,
            ]
        )
    return Table(
        title="Keys of bots",
        headings=["Key", "For", "State", "Expires", "Change"],
        rows=rows,
        empty="No bot of this account has a key yet.",
        more=anchor(changelist_url(ApiKey), "All keys as a list"),
    )


def _last_test(account: ExchangeAccount) -> str:
    row = Errand.objects.filter(account=account, kind=ErrandKind.CHECK_ACCOUNT)
    errand = row.order_by("-id").defer("result").first()
    if errand is None:
        return "never"
    words = f"{errand.status.lower()}: {display.first_line(errand.says or errand.step)}"
    return anchor(object_url(Errand, errand.pk), words)


def _table_of_exchanges() -> Table:
    return Table(
        title="What the portal can do at each exchange",
        headings=["Exchange", "What is read", "What it needs", "Says what its key may do"],
        rows=[
            [each.name, each.reads, each.needs, display.yes_no(each.tells_rights)]
            for each in supported_exchanges()
        ],
        note="Another exchange that ccxt knows can be added on the server, with"
        " manage.py account add: its fills cannot be proven, as docs/exchanges.md says.",
    )


def _offers(account: ExchangeAccount) -> list[tuple[str, str]]:
    verb = "disable" if account.enabled else "enable"
    return [
        ("Set the baseline", _url("baseline", account)),
        ("Add a profile", _url("profile_add", account)),
        ("Create a bot's key", _url("key_add", account)),
        (
            f"{verb.capitalize()} the account",
            reverse("admin:console_setup_account_switch", args=[account.pk, verb]),
        ),
    ]


def _url(name: str, account: ExchangeAccount) -> str:
    return reverse(f"admin:console_setup_{name}", args=[account.pk])


def find_account(pk: int) -> ExchangeAccount:
    """Return an account; raises Http404."""
    if pk >= 2**63:
        raise Http404(f"There is no account {pk}.")
    return get_object_or_404(ExchangeAccount, pk=pk)
