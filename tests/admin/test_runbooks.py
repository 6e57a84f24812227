"""Every warning leads to a section; every page and command that a runbook names exists."""

import re
import shlex
from enum import Enum
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve

from reconciliation.admin.console.documents import (
    OTHERS,
    RUNBOOKS,
    load_document,
    slug,
    source,
)
from reconciliation.admin.runbook_links import SECTIONS, runbook_link, what_to_do
from reconciliation.enums import (
    EscalationKind,
    EscalationStatus,
    GateReason,
    NoGoReason,
    QuarantineReason,
    RunStatus,
)
from reconciliation.models import Escalation
from tests.admin.pages import Console, Page
from tests.admin.story import Story

COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXPECTED = re.compile(r"^```sh\n.*?^```\n\n```text\n", re.DOTALL | re.MULTILINE)
# The owner's runbook names these; whoever searches for one has to find it.
NAMES = (
    "reconciliationMismatchCount",
    "reconciliationMissingFromExchange",
    "reconciliationMissingInDb",
    "reconciliationLoopHealthy",
    "reconciliationLastRun",
    "reconciliation_mismatch_total",
    "reconciliation_missing_from_exchange_total",
    "reconciliation_missing_in_db_total",
    "reconciliationParityMismatchTrades",
    "reconciliationParityQuarantinedTrades",
    "reconciliationParityAutoClosedTrades",
    "reconciliationParityMaxMismatchNotionalUsd",
    "reconciliationParityTotalMismatchNotionalUsd",
    "reconciliationIntegrityWatchdogTriggered",
    "ENABLE_RECON_POSITION_PARITY_HEARTBEAT",
    "RECON_POSITION_PARITY_CONFIRMATIONS",
    "RECON_POSITION_PARITY_REQUIRE_SUBTAG_ATTRIBUTION",
    "RECON_POSITION_PARITY_MAX_NOTIONAL_PCT",
    "ENABLE_RECON_WATCHDOG_AUTO_RESUME",
    "RECON_WATCHDOG_AUTO_RESUME_MIN_PAUSE_MS",
    "RECON_WATCHDOG_AUTO_RESUME_CLEAN_CYCLES",
    "RECON_WATCHDOG_AUTO_RESUME_COOLDOWN_MS",
    "RECON_POSITION_PARITY_DRY_RUN",
    "RECON_EXIT_BACKFILL_REQUIRE_STRONG_ATTRIBUTION",
    "RECON_EXIT_BACKFILL_ALLOW_HEURISTIC_MATCH",
    "RECON_EXIT_BACKFILL_FILL_AFTER_TRADE_GRACE_MINUTES",
    "reconcileEntryFill",
    "reconcileExitFill",
    "reconcileCancel",
)


def text_of(name: str) -> str:
    return source(name).read_text(encoding="utf-8")


def lines_of(name: str) -> list[str]:
    return [line for block in COMMANDS.findall(text_of(name)) for line in block.splitlines()]


@pytest.mark.parametrize("kind", SECTIONS, ids=lambda kind: kind.__name__)
def test_every_word_of_a_set_leads_to_a_section_that_exists(kind: type[Enum]) -> None:
    sections = SECTIONS[kind]

    assert set(sections) == {member.value for member in kind}
    for where in sections.values():
        document, _, name = where.partition("#")
        assert name in {each.anchor for each in load_document(document).headings}, where


def test_every_name_of_the_owners_runbook_is_found() -> None:
    text = text_of("reconciliation")

    assert [name for name in NAMES if f"`{name}`" not in text] == []


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_page_that_a_runbook_names_exists(name: str) -> None:
    pages = [link for link in load_document(name).links if link.startswith("/")]

    assert len(pages) > 10
    for page in pages:
        try:
            resolve(page.partition("#")[0].partition("?")[0])
        except Resolver404:
            pytest.fail(f"{name} leads to {page}, where nothing is")


@pytest.mark.parametrize("name", RUNBOOKS)
def test_the_lists_that_a_runbook_names_can_be_narrowed_like_that(
    name: str, console: Console
) -> None:
    for page in {link for link in load_document(name).links if "?" in link}:
        response = console.get(page.partition("#")[0])
        assert response.status_code == 200, page


@pytest.mark.parametrize("name", [*RUNBOOKS, *OTHERS])
def test_every_section_that_a_document_links_to_exists(name: str) -> None:
    document = load_document(name)
    own = {each.anchor for each in document.headings}

    for link in document.links:
        address, _, section = link.partition("#")
        if link.startswith("#"):
            assert section in own, link
        elif section and "/runbooks/" in address:
            there = load_document(address.rstrip("/").rpartition("/")[2])
            assert section in {each.anchor for each in there.headings}, link


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_command_of_a_runbook_exists_with_its_options(name: str) -> None:
    known = get_commands()
    lines = lines_of(name)

    assert lines
    for line in lines:
        program, *words = shlex.split(line)
        if program == "curl":
            resolve("/" + words[-1].split("/", 3)[3])
            continue
        assert (program, words[0]) == ("python", "manage.py"), line
        command = load_command_class(known[words[1]], words[1])
        parser = command.create_parser("manage.py", words[1])
        options = parser.parse_args(words[2:])
        for file in getattr(options, "files", []):
            assert (Path(settings.BASE_DIR) / file).is_file(), file


@pytest.mark.parametrize("name", RUNBOOKS)
def test_every_command_has_its_expected_output_below_it(name: str) -> None:
    blocks = len(COMMANDS.findall(text_of(name)))
    silent = text_of(name).count("python manage.py baseline --account")

    assert len(EXPECTED.findall(text_of(name))) == blocks - silent


def test_a_runbook_is_a_page_with_its_contents_and_no_code_of_its_own(console: Console) -> None:
    page = console.open("/admin/runbooks/reconciliation/")

    ids = {attributes.get("id") for _, attributes in page.elements}
    assert {"first-look", "persistent_mismatch", "what-not-to-do"} <= ids
    assert ("PERSISTENT_MISMATCH", "#persistent_mismatch") in page.main.links
    assert ("lifecycle incident", "/admin/runbooks/lifecycle-incident/") in page.main.links
    assert not page.inline_code
    assert not [tag for tag, attributes in page.elements if "style" in attributes]


def test_the_index_lists_every_document(console: Console) -> None:
    page = console.open("/admin/runbooks/")

    for name in (*RUNBOOKS, *OTHERS):
        words = load_document(name).title
        assert any(text == words for part in page.sections for text, _ in part.links), words


def test_a_name_that_is_no_document_is_not_found(console: Console) -> None:
    assert console.get("/admin/runbooks/secrets/").status_code == 404


def test_html_in_a_document_stays_text() -> None:
    from reconciliation.admin.console import documents

    assert "&lt;name&gt;" in load_document("reconciliation").html
    assert documents.slug("`reconcile` & Co.: a_b") == "reconcile--co-a_b"


def test_words_that_two_sets_share_lead_to_sections_of_their_own() -> None:
    assert runbook_link(EscalationKind.MASS_MISMATCH).endswith("/reconciliation/#mass_mismatch")
    assert runbook_link(QuarantineReason.MASS_MISMATCH).endswith(
        "/lifecycle-incident/#mass_mismatch"
    )
    assert runbook_link(GateReason.STALE).endswith("/reconciliation/#stale")
    assert slug("NO_GO: STALE_FILL") in runbook_link(NoGoReason.STALE_FILL)
    assert "#run-failed" in what_to_do(RunStatus.FAILED)


def test_an_escalation_leads_to_what_to_do(console: Console, story: Story) -> None:
    row = Escalation.objects.exclude(status=EscalationStatus.RESOLVED).first()
    assert row is not None

    page = console.page_of(row)

    assert ("What to do", runbook_link(EscalationKind(row.kind))) in page.main.links
    listed: Page = console.list_of(Escalation)
    assert "What to do" in {words for words, _ in listed.results.links}
