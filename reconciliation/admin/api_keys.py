"""Keys of bots: for which profiles they are, until when, and by whom. Their secrets are nowhere."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.links import changelist_url, link
from reconciliation.admin.page import Facts, Grid, Section
from reconciliation.admin.search import by_text, through
from reconciliation.clock import SystemClock
from reconciliation.domain.api_keys import key_state
from reconciliation.models import ApiKey, ApiKeyProfile, ApiKeyUse, Profile

_MADE_ON_THE_SERVER = (
    "Read-only: keys are created and revoked under Set-up, so that each change has its audit "
    "event. A key itself is shown once, when it is created."
)
_BY_KEY = through("api_key", ApiKey, by_text("name"), by_text("public_id"))
_BY_KEY_TEXT = "The whole name or id of a key."


def state(key: ApiKey) -> str:
    """Return whether a key opens anything now."""
    now = SystemClock().now()
    return key_state(expires_at=key.expires_at, revoked_at=key.revoked_at, now=now)


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin[ApiKey]):
    note = _MADE_ON_THE_SERVER
    empty_text = "No bot has a key yet."
    list_display = (
        col.text("Name", "name"),
        col.text("ID", "public_id"),
        col.whole_link("Account", "account"),
        col.Column("State", state),
        col.moment("Expires", "expires_at"),
        col.moment("Last used", "use.last_used_at"),
        col.text("Created by", "created_by"),
    )
    list_select_related = ("account", "use")
    object_related = ("account", "use")
    list_filter = ("account",)
    ordering = ("name",)
    search_by = (by_text("name"), by_text("public_id"))
    search_help_text = _BY_KEY_TEXT

    def sections(self, obj: ApiKey) -> Iterable[Section]:
        yield Facts(
            title="API key",
            rows=[
                ("Name", display.text(obj.name)),
                ("ID", display.text(obj.public_id)),
                ("Account", link(obj.account)),
                ("State", state(obj)),
                ("Created", display.moment(obj.created_at)),
                ("Created by", display.text(obj.created_by)),
                ("Expires", display.moment(obj.expires_at)),
                ("Revoked", display.moment(obj.revoked_at)),
                ("Revoked by", display.text(obj.revoked_by)),
                ("Last used", display.moment(col.follow(obj, "use.last_used_at"))),
            ],
        )
        yield Grid(
            title="Profiles",
            queryset=Profile.objects.filter(api_keys=obj).order_by("name"),
            columns=(
                col.itself("Profile"),
                col.text("Sub tag", "sub_tag"),
                col.yes_no("Enabled", "enabled"),
            ),
            order="first",
            url=changelist_url(ApiKeyProfile, {"api_key__id__exact": obj.pk}),
            empty="This key is for no profile.",
        )
        yield tables.audit_events_of(obj)


@admin.register(ApiKeyProfile)
class ApiKeyProfileAdmin(ReadOnlyAdmin[ApiKeyProfile]):
    note = _MADE_ON_THE_SERVER
    empty_text = "No key is for any profile yet."
    list_display = (
        col.Column("Scope", lambda row: f"scope {row.pk}"),
        col.whole_link("API key", "api_key"),
        col.whole_link("Profile", "profile"),
    )
    list_select_related = ("api_key", "profile")
    narrowed_by = {"api_key__id__exact": ApiKey}
    object_related = ("api_key", "profile__account")
    ordering = ("id",)
    search_by = (_BY_KEY, through("profile", Profile, by_text("name")))
    search_help_text = "The whole name or id of a key, or the name of a profile."

    def sections(self, obj: ApiKeyProfile) -> Iterable[Section]:
        yield Facts(
            title="Profile of an API key",
            rows=[
                ("API key", link(obj.api_key)),
                ("Profile", link(obj.profile)),
                ("Account", link(obj.profile.account)),
            ],
        )


@admin.register(ApiKeyUse)
class ApiKeyUseAdmin(ReadOnlyAdmin[ApiKeyUse]):
    note = "Read-only: when a bot was last heard of, to the minute."
    empty_text = "No bot has a key yet."
    list_display = (
        col.Column("Use", lambda row: f"use of key {row.pk}"),
        col.whole_link("API key", "api_key"),
        col.moment("Last used", "last_used_at"),
    )
    list_select_related = ("api_key",)
    object_related = ("api_key__account",)
    ordering = ("api_key_id",)
    search_by = (_BY_KEY,)
    search_help_text = _BY_KEY_TEXT

    def sections(self, obj: ApiKeyUse) -> Iterable[Section]:
        yield Facts(
            title="Use of an API key",
            rows=[
                ("API key", link(obj.api_key)),
                ("Account", link(obj.api_key.account)),
                ("Last used", display.moment(obj.last_used_at)),
            ],
        )
