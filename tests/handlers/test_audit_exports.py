"""An export holds what the screen counted, says who took it, and never holds it all at once."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciliation import conf
from reconciliation.domain.audit import EventDraft, leaf_of, link, system_actor
from reconciliation.domain.audit_export import CSV_COLUMNS, parse_manifest, verbatim
from reconciliation.domain.audit_filter import AuditFilter
from reconciliation.domain.signing import check_signature
from reconciliation.enums import DecisionRefusal, Right
from reconciliation.handlers.audit_exports import Export, Refused, export_events
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditEvent
from reconciliation.selectors.signing_keys import load_signer
from tests.builders import FixedClock
from tests.handlers.people import nobody, person
from tests.signing import signed_conf

pytestmark = pytest.mark.django_db
EVENTS = 7
CLARA = person("clara", Right.EXPORT)


@pytest.fixture(autouse=True)
def _events() -> None:
    record(*(f"step.{'odd' if number % 2 else 'even'}" for number in range(1, EVENTS + 1)))


def record(*actions: str, comment: str = "") -> None:
    with transaction_unit(actor=system_actor("test"), clock=FixedClock()) as unit:
        for action in actions:
            unit.record(EventDraft(action=action, comment=comment))


def export(
    asked: AuditFilter | None = None, *, form: str = "jsonl", settings: conf.Conf | None = None
) -> Export:
    made = export_events(
        asked=asked or AuditFilter(),
        form=form,
        person=CLARA,
        conf=settings or conf.require({}),
        clock=FixedClock(),
        chunk=2,
    )
    assert isinstance(made, Export)
    return made


def unpacked(chunks: Iterator[bytes]) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(chunks))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def test_every_event_up_to_the_head_is_there_with_its_payload_verbatim_and_its_seal():
    made = export()
    record("step.late")
    lines = [json.loads(line) for line in unpacked(made.chunks())["events.jsonl"].splitlines()]
    assert [each["sequence"] for each in lines] == list(range(1, EVENTS + 1))
    assert made.count == EVENTS
    for each in lines:
        kept = AuditEvent.objects.get(sequence=each["sequence"])
        assert each["payload"] == kept.payload
        assert each["hash"] == kept.hash == link(each["previous_hash"], leaf_of(kept.payload))


def test_the_manifest_says_what_is_in_it_and_the_signature_proves_it(tmp_path: Path):
    settings = signed_conf(tmp_path)
    made = export(AuditFilter(action="step.odd"), settings=settings)
    files = unpacked(made.chunks())
    manifest = parse_manifest(files["manifest.json"])
    assert (manifest.filter, manifest.count, manifest.first, manifest.last) == (
        {"action": "step.odd"},
        4,
        1,
        7,
    )
    assert (manifest.head_sequence, manifest.actor) == (EVENTS, "clara")
    assert manifest.sha256 == hashlib.sha256(files["events.jsonl"]).hexdigest()
    assert manifest.settings_hash == settings.hash()
    signer = load_signer(settings)
    assert signer is not None
    fault = check_signature(
        files["manifest.json"],
        signature=files["manifest.sig"],
        key_id=manifest.key_id,
        keys={signer.key_id: signer.key.public_key()},
    )
    assert fault is None
    assert made.is_signed
    assert "UNSIGNED" not in made.filename


def test_without_a_key_it_says_loudly_that_it_is_not_signed():
    made = export()
    assert made.filename == "audit-20260105T120000Z-7-UNSIGNED.zip"
    files = unpacked(made.chunks())
    assert b"THIS EXPORT IS NOT SIGNED" in files["UNSIGNED.txt"]
    assert "manifest.sig" not in files
    assert parse_manifest(files["manifest.json"]).key_id is None


def test_a_key_that_cannot_be_used_is_no_reason_to_export_without_one(tmp_path: Path):
    settings = conf.require({"RECON_AUDIT_SIGNING_KEY_FILE": str(tmp_path / "gone.pem")})
    refused = export_events(
        asked=AuditFilter(), form="csv", person=CLARA, conf=settings, clock=FixedClock()
    )
    assert isinstance(refused, Refused)
    assert "gone.pem cannot be read" in refused.says
    assert AuditEvent.objects.get(action="audit.exported").outcome == "refused"


def test_who_took_what_is_in_the_trail_before_and_after():
    made = export(AuditFilter(action="step.*"))
    begun = AuditEvent.objects.get(action="audit.export_begun")
    assert begun.actor_name == "clara"
    assert not AuditEvent.objects.filter(action="audit.exported").exists()
    data = unpacked(made.chunks())["events.jsonl"]
    event = AuditEvent.objects.get(action="audit.exported")
    assert (event.outcome, event.object_id) == ("applied", hashlib.sha256(data).hexdigest())
    assert json.loads(event.payload)["after"] == {
        "filter": {"action": "step.*"},
        "format": "jsonl",
        "count": EVENTS,
        "sha256": event.object_id,
        "head": EVENTS,
        "key_id": None,
    }


def test_a_download_that_breaks_off_is_told_as_such():
    chunks = export().chunks()
    # Nothing has been read of it: it was begun, and that is told already.
    chunks.close()
    assert not AuditEvent.objects.filter(action="audit.exported").exists()

    import reconciliation.handlers.audit_exports as exports

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "_PIECE", 1)
        chunks = export().chunks()
        next(chunks)
        chunks.close()
    event = AuditEvent.objects.get(action="audit.exported")
    assert event.outcome == "failed"
    assert "broken off after" in event.payload


def test_who_may_not_export_is_denied_and_that_is_an_event():
    refused = export_events(
        asked=AuditFilter(actor="ann"),
        form="jsonl",
        person=nobody(),
        conf=conf.require({}),
        clock=FixedClock(),
    )
    assert isinstance(refused, Refused)
    assert refused.refusal == DecisionRefusal.DENIED
    event = AuditEvent.objects.get(action="audit.exported")
    assert (event.outcome, event.actor_name) == ("denied", "vera")


def test_a_spreadsheet_runs_no_cell_and_every_cell_can_be_read_back():
    comments = ["=1+1", "+1", "-1", "@x", "\ttab", "\rcr", "'quoted", "plain", "a\r\nb", '"q",']
    comments += [" =1+1", "\ufeff=1", "\u00a0 @x", " \u200b-1"]
    for comment in comments:
        record("step.hostile", comment=comment)
    text = unpacked(export(AuditFilter(action="step.hostile"), form="csv").chunks())["events.csv"]
    assert text.startswith(b"\xef\xbb\xbfsequence,")
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline="")))
    assert list(rows[0]) == list(CSV_COLUMNS)
    shown = [row["comment"] for row in rows]
    assert not [cell for cell in shown if cell.lstrip(" \u00a0\ufeff\u200b")[0] in "=+-@\t\r\n"]
    assert [verbatim(cell) for cell in shown] == comments
    for row in rows:
        assert AuditEvent.objects.get(sequence=row["sequence"]).payload == row["payload"]


def test_an_export_of_nothing_is_an_export():
    made = export(AuditFilter(action="no.such"))
    manifest = parse_manifest(unpacked(made.chunks())["manifest.json"])
    assert (manifest.count, manifest.first, manifest.last) == (0, None, None)
