"""Runs of the jobs: what each read, what it could not read, and what it found and wrote."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.deciding_types import now
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import link
from reconciliation.admin.page import Block, Facts, Notice, Section
from reconciliation.admin.run_sections import (
    carried_over,
    counts,
    counts_in_words,
    error_in_short,
    neighbours,
    part_in_words,
    parts,
    row_errors,
    skipped,
    steps,
)
from reconciliation.admin.runbook_links import runbook_link
from reconciliation.admin.running import RunNowAdmin
from reconciliation.admin.search import by_number, by_uuid
from reconciliation.enums import Coverage, RunStatus
from reconciliation.models import (
    BackfillCandidate,
    CapitalEntry,
    Escalation,
    ExternalOrder,
    Fill,
    Mismatch,
    ParityReading,
    ReviewItem,
    Run,
    TradeHistory,
)


@admin.register(Run)
class RunAdmin(RunNowAdmin[Run]):
    note = (
        "Read-only: one execution of one job on one account, recorded whatever its outcome. What "
        "a run could not read is UNKNOWN and leads to no correction."
    )
    empty_text = "No job has run yet: nothing has been compared with an exchange."
    list_display = (
        col.Column("Run", lambda run: str(run.pk)),
        col.text("Status", "status"),
        col.text("Coverage", "coverage"),
        col.text("Job", "kind"),
        col.whole_link("Account", "account"),
        col.moment("Started", "started_at", ordering="started_at"),
        tables.RUN_DURATION,
        col.Column("Counts", lambda run: counts_in_words(run.counts)),
        col.Column("Written", lambda run: display.inline_json(run.counts.get("written"))),
        col.Column("Error", error_in_short),
    )
    list_defer = ("step_ms", "row_errors", "unread", "skipped_profiles")
    list_filter = (
        ("status", WordFilter),
        ("kind", WordFilter),
        ("coverage", WordFilter),
        "account",
    )
    list_select_related = ("account",)
    object_related = ("account",)
    ordering = ("-started_at", "-id")
    search_by = (by_number(), by_uuid("claim_token"))
    search_help_text = "The number of a run, or its whole claim token."

    def sections(self, obj: Run) -> Iterable[Section]:
        moment = now()
        yield verdict(obj)
        yield Facts(
            title="Run",
            rows=[
                ("Account", link(obj.account)),
                ("Kind", display.text(obj.kind)),
                ("Of one profile only", display.text(obj.only_profile)),
                ("Status", display.text(obj.status)),
                ("Coverage", display.text(obj.coverage)),
                ("Started", display.age(obj.started_at, moment)),
                ("Finished", display.age(obj.finished_at, moment)),
                ("Duration", display.duration(obj.started_at, obj.finished_at)),
                ("Exchange as of", display.age(obj.as_of, moment)),
                ("Look-ups carried over", carried_over(obj)),
                *_claim(obj),
            ],
        )
        if obj.error and _in_one_line(obj.error) != obj.error.strip():
            yield Block.of(title="Error", text=obj.error)
        yield parts(obj)
        yield from row_errors(obj.row_errors)
        yield skipped(obj)
        yield counts(obj)
        yield steps(obj)
        yield neighbours(obj)
        yield tables.mismatches(
            Mismatch.objects.filter(first_run=obj),
            title="Mismatches first seen by this run",
            lookups={"first_run__id__exact": obj.pk},
            empty="This run saw no new mismatch.",
        )
        yield tables.mismatches(
            Mismatch.objects.filter(sighting__last_run=obj),
            title="Mismatches last seen by this run",
            lookups={"sighting__last_run__id__exact": obj.pk},
            empty="No mismatch was seen by this run and not again since.",
        )
        yield tables.history(
            TradeHistory.objects.filter(run=obj),
            title="History rows written by this run",
            lookups={"run__id__exact": obj.pk},
            empty="This run has booked nothing.",
        ).without("Run")
        yield tables.fills(
            Fill.objects.filter(run=obj).defer("raw"),
            title="Fills first read by this run",
            lookups={"run__id__exact": obj.pk},
            empty="This run read no fill that was not known before.",
        ).without("First read by")
        yield tables.reviews(
            ReviewItem.objects.filter(first_run=obj),
            title="Questions to a person opened by this run",
            lookups={"first_run__id__exact": obj.pk},
            empty="This run has asked nobody.",
        )
        yield tables.candidates(
            BackfillCandidate.objects.filter(first_run=obj),
            title="Possible missed exits first judged by this run",
            lookups={"first_run__id__exact": obj.pk},
            empty="This run took no new fill for a missed exit.",
        )
        yield supervision_tables.parity_readings(
            ParityReading.objects.filter(run=obj),
            title="Positions that this run found other than equal",
            lookups={"run__id__exact": obj.pk},
            empty="This run found no position other than equal, or compared none.",
        ).without("Run")
        yield supervision_tables.capital_entries(
            CapitalEntry.objects.filter(run=obj),
            title="Changes of capital reckoned by this run",
            lookups={"run__id__exact": obj.pk},
            empty="This run changed no profile's capital.",
        ).without("Run")
        yield supervision_tables.escalations(
            Escalation.objects.filter(run=obj),
            title="Escalations opened by this run",
            lookups={"run__id__exact": obj.pk},
            empty="This run opened no escalation.",
        )
        yield tables.external_orders(
            ExternalOrder.objects.filter(first_run=obj).defer("raw"),
            title="Orders of nobody first seen by this run",
            lookups={"first_run__id__exact": obj.pk},
            empty="This run saw no new order that belongs to no profile.",
        )
        yield tables.audit_events_of_run(obj)


def _claim(run: Run) -> list[tuple[str, str]]:
    rows = [("Claim token", str(run.claim_token))]
    if run.status == RunStatus.RUNNING:
        rows.append(("Claim expires", display.moment(run.claim_expires_at)))
    return rows


def _in_one_line(error: str) -> str:
    return display.first_line(error, 300)


def verdict(run: Run) -> Notice:
    """Return in one sentence or two how a run ended."""
    unread = ", ".join(part_in_words(part) for part in sorted(run.unread))
    not_read = f" Not read: {unread}." if unread else ""
    match run.status:
        case RunStatus.RUNNING:
            return Notice(
                level="warning",
                sentence="This run has not finished.",
                runbook=runbook_link(RunStatus.RUNNING),
            )
        case RunStatus.FAILED:
            reason = _in_one_line(run.error) if run.error else "no reason was recorded"
            sentence = f"This run failed: {reason.removesuffix('.')}.{not_read}"
            return Notice(level="error", sentence=sentence, runbook=runbook_link(RunStatus.FAILED))
        case RunStatus.PARTIAL:
            return Notice(
                level="warning",
                sentence=f"This run did only a part of its work.{not_read}",
                runbook=runbook_link(RunStatus.PARTIAL),
            )
        case RunStatus.SKIPPED_LOCKED:
            return Notice(
                level="warning",
                sentence=(
                    "This run was skipped: another holder had the reconciliation lock of every "
                    "profile. Nothing was judged."
                ),
                runbook=runbook_link(RunStatus.SKIPPED_LOCKED),
            )
    if run.coverage == Coverage.COMPLETE:
        return Notice(
            level="success",
            sentence="This run succeeded and read everything that its job needs.",
        )
    return Notice(
        level="warning",
        sentence=f"This run succeeded with {run.coverage} coverage of the exchange.{not_read}",
        runbook=runbook_link(Coverage(run.coverage)),
    )
