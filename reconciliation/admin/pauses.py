"""Trading that was stopped for a profile, and what the watchdog knows of each profile."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import link
from reconciliation.admin.page import Block, Facts, Notice, Section
from reconciliation.admin.runbook_links import runbook_link
from reconciliation.admin.search import by_number, by_text, through
from reconciliation.enums import PauseSource
from reconciliation.models import Pause, Profile, WatchdogState


def state(pause: Pause) -> str:
    """Return whether a pause still holds, in a word or two."""
    if pause.ended_at is None:
        return "holds"
    return "ended by itself" if pause.auto_resumed else "ended"


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin[Pause]):
    note = (
        "Read-only: stops of new entries. A pause of the watchdog and one of an operator can hold "
        "at once; trading goes on when none holds."
    )
    empty_text = "No profile has ever been paused."
    list_display = (
        col.Column("Pause", lambda row: str(row.pk)),
        col.Column("State", state),
        col.text("Source", "source"),
        col.whole_link("Profile", "profile"),
        col.Column("Reason", lambda row: display.first_line(row.reason)),
        col.moment("Started", "started_at"),
        col.text("Started by", "started_by"),
        col.moment("Ended", "ended_at"),
        col.text("Ended by", "ended_by"),
    )
    list_defer = ("evidence", "end_evidence", "end_reason")
    list_filter = (
        ("source", WordFilter),
        ("ended_at", admin.EmptyFieldListFilter),
        "auto_resumed",
        "profile",
    )
    list_select_related = ("profile",)
    object_related = ("profile__account", "profile__watchdog")
    search_by = (through("profile", Profile, by_text("name")), by_number())
    search_help_text = "The whole name of a profile, or the number of a pause."

    def sections(self, obj: Pause) -> Iterable[Section]:
        if obj.ended_at is None:
            yield Notice(
                level="warning",
                sentence="This pause holds: no new entry is allowed.",
                runbook=runbook_link(PauseSource(obj.source)),
            )
        yield Facts(
            title="Pause",
            rows=[
                ("State", state(obj)),
                ("Profile", link(obj.profile)),
                ("Account", link(obj.profile.account)),
                ("Source", display.text(obj.source)),
                ("Reason", display.text(obj.reason)),
                ("Started", display.moment(obj.started_at)),
                ("Started by", _who(obj.started_by, obj.source)),
                ("Ended", display.moment(obj.ended_at)),
                ("Ended by", _who(obj.ended_by, obj.source) if obj.ended_at else display.NOTHING),
                ("Why it ended", display.text(obj.end_reason)),
                ("Watchdog", link(_watchdog(obj.profile))),
            ],
        )
        yield Block.of(title="What it rests on", text=display.pretty_json(obj.evidence))
        if obj.ended_at is not None:
            yield Block.of(
                title="What its end rests on", text=display.pretty_json(obj.end_evidence)
            )
        yield tables.audit_events_of(obj)
        yield tables.audit_events_of(obj.profile, title="Audit events of its profile")


def _who(name: str, source: str) -> str:
    return display.text(name) if name else f"by itself ({display.text(source)})"


def _watchdog(profile: Profile) -> WatchdogState | None:
    return getattr(profile, "watchdog", None)


@admin.register(WatchdogState)
class WatchdogStateAdmin(ReadOnlyAdmin[WatchdogState]):
    note = (
        "Read-only: what the last heartbeat knew of each profile's mismatches, in USD. Where it "
        "could not say it, the last known sum stands, and the watchdog changes nothing."
    )
    empty_text = "No heartbeat has judged a profile yet."
    list_display = (
        col.Column("Watchdog", lambda row: f"watchdog {row.pk}"),
        col.whole_link("Profile", "profile"),
        col.amount("Mismatches (USD)", "notional_usd"),
        col.yes_no("Known", "is_known"),
        col.text("Clean heartbeats", "clean_heartbeats"),
        col.link("Run", "run"),
        col.moment("As of", "as_of"),
    )
    list_filter = ("is_known",)
    list_select_related = ("profile", "run")
    object_related = ("profile__account", "run")
    ordering = ("profile__name", "pk")
    search_by = (through("profile", Profile, by_text("name")),)
    search_help_text = "The whole name of a profile."

    def sections(self, obj: WatchdogState) -> Iterable[Section]:
        if not obj.is_known:
            yield Notice(
                level="warning",
                sentence="The last heartbeat could not say what this profile's mismatches come to.",
            )
        yield Facts(
            title="Watchdog",
            rows=[
                ("Profile", link(obj.profile)),
                ("Account", link(obj.profile.account)),
                ("Mismatches (USD)", display.amount(obj.notional_usd)),
                ("Known by the last heartbeat", display.yes_no(obj.is_known)),
                ("Clean heartbeats in a row", str(obj.clean_heartbeats)),
                ("Run", link(obj.run)),
                ("As of", display.moment(obj.as_of)),
            ],
        )
        yield supervision_tables.pauses(
            Pause.objects.filter(profile=obj.profile),
            title="Pauses of this profile",
            lookups={"profile__id__exact": obj.profile_id},
            empty="This profile has never been paused.",
        )
