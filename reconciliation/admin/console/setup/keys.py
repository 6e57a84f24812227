"""Keys of bots: created, and shown on the answer of that request alone; revoked.

The text of a key is in no session, message, log, event or address: only in that one answer, which
no cache may keep. Loading the page again asks the browser to send the form again, and is refused,
since the name is taken.
"""

from datetime import timedelta

from django import forms
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.cache import add_never_cache_headers

from reconciliation.admin import display
from reconciliation.admin.console.pages import render
from reconciliation.admin.console.setup.accounts import find_account
from reconciliation.admin.console.setup.acts import Act, account_page, answer, by, go
from reconciliation.admin.deciding_types import Desk
from reconciliation.admin.page import Facts
from reconciliation.handlers.api_keys import MAX_LIFETIME, IssuedKey, create_key, revoke_key
from reconciliation.handlers.set_up import SetUp, set_up
from reconciliation.models import ApiKey, ExchangeAccount
from reconciliation.selectors.api_keys import keys_with_scope

DEFAULT_DAYS = 365


class KeyForm(forms.Form):
    """Of which bot the key is, what it is for, and until when."""

    name = forms.CharField(
        label="Name of the key",
        max_length=64,
        help_text="Of the bot, for example alpha-bot. A name is never given twice.",
    )
    profiles = forms.MultipleChoiceField(
        label="Profiles that it is for",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one profile."},
    )
    days = forms.IntegerField(
        label="Days until it expires", min_value=1, max_value=MAX_LIFETIME.days
    )

    def __init__(self, account: ExchangeAccount, data: QueryDict | None = None) -> None:
        super().__init__(data, label_suffix="", initial={"days": DEFAULT_DAYS})
        names = account.profiles.order_by("name").values_list("name", flat=True)
        self.fields["profiles"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


def create(request: HttpRequest, pk: int) -> HttpResponse:
    """Create a key and show it, once."""
    account = find_account(pk)
    lines = [
        "The key can deliver and read for the chosen profiles until it expires or is revoked. It is"
        " shown once, on the next page; the portal keeps only what recognises it.",
    ]
    if not account.profiles.exists():
        lines.append("This account has no profile yet: add one first, since a key is for profiles.")
    act = Act(
        title=f"Create a bot's key for {display.text(account.name)}",
        asked="create a key",
        word="Create the key",
        back=account_page(account),
        lines=lines,
        account=account,
    )
    form = KeyForm(account, request.POST if request.method == "POST" else None)

    def work(desk: Desk, sent: forms.Form) -> SetUp[IssuedKey]:
        return set_up(
            create_key,
            asked=act.asked,
            account=account.name,
            name=sent.cleaned_data["name"],
            profiles=sent.cleaned_data["profiles"],
            lifetime=timedelta(days=sent.cleaned_data["days"]),
            **by(desk),
        )

    def done(outcome: SetUp[IssuedKey]) -> HttpResponse:
        issued = outcome.value()
        facts = Facts(
            title="Key",
            rows=[
                ("Name", display.text(issued.key.name)),
                ("For", display.text(", ".join(issued.profiles))),
                ("Expires", display.moment(issued.key.expires_at)),
            ],
        )
        response = render(
            request,
            title=f"The key of {display.text(issued.key.name)}",
            template="admin/console/setup/key.html",
            trail=act.trail,
            sections=[facts],
            name=display.text(issued.key.name),
            text=issued.text,
            back=act.back,
        )
        add_never_cache_headers(response)
        return response

    return answer(request, act, form, work, done=done)


def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a key open nothing any more."""
    if pk >= 2**63:
        raise Http404(f"There is no key {pk}.")
    key: ApiKey = get_object_or_404(keys_with_scope(), pk=pk)
    names = display.text(", ".join(profile.name for profile in key.profiles.all()))
    used = key.use.last_used_at
    last = f"It was last used at {used:%Y-%m-%d %H:%M} UTC." if used else "It was never used."
    act = Act(
        title=f"Revoke the key of {display.text(key.name)}",
        asked="revoke a key",
        word="Revoke the key",
        back=account_page(key.account),
        lines=[
            f"The bot {display.text(key.name)} is let in no more from now on: it can neither"
            f" deliver nor ask the gate for {names}. {last}",
            "It cannot be taken back: the bot then needs a new key, under another name. Orders that"
            " it has at the exchange stay, and are reconciled as before.",
        ],
        account=key.account,
        destroys=True,
    )
    form = forms.Form(request.POST if request.method == "POST" else None)

    def work(desk: Desk, sent: forms.Form) -> SetUp[tuple[ApiKey, bool]]:
        return set_up(
            revoke_key, asked=act.asked, account=key.account.name, name=key.name, **by(desk)
        )

    def done(outcome: SetUp[tuple[ApiKey, bool]]) -> HttpResponse:
        changed = outcome.value()[1]
        said = f"the key of {key.name} is revoked{'' if changed else ' already'}"
        return go(request, act.back[1], said, changed=changed)

    return answer(request, act, form, work, done=done)
