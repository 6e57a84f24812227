"""Whatever is done to the trail past the triggers is found, and called what it is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from reconciliation import conf
from reconciliation.domain.audit import system_actor
from reconciliation.enums import EscalationKind
from reconciliation.handlers import checkpoints
from reconciliation.handlers.checkpoints import CheckpointOutcome, CheckpointReport
from reconciliation.management.commands import audit_verify
from reconciliation.models import Escalation
from tests.attacks import chains
from tests.builders import NOW, FixedClock
from tests.guards import guards_lifted
from tests.signing import make_key, signed_conf

pytestmark = pytest.mark.django_db
EVENTS = 8


@pytest.fixture
def settings_in_force(tmp_path: Path) -> conf.Conf:
    """Eight events, the last of them signed."""
    chains.record(EVENTS)
    settings = signed_conf(tmp_path)
    assert sign(settings).outcome == CheckpointOutcome.WRITTEN
    return settings


@pytest.fixture
def untold(settings_in_force: conf.Conf, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lifted triggers hold a transaction open, in which no unit can be opened to tell of it."""
    monkeypatch.setattr(audit_verify, "sync_audit_chain", lambda **told: None)
    with guards_lifted():
        yield


def sign(settings: conf.Conf, *, hours: int = 0) -> CheckpointReport:
    clock = FixedClock(NOW + timedelta(hours=hours))
    return checkpoints.write_checkpoint(conf=settings, clock=clock, actor=system_actor("test"))


def verify(settings: conf.Conf | None = None) -> tuple[int, str]:
    """Return the command's exit status and output; with settings, against the checkpoint too."""
    out, arguments = StringIO(), []
    if settings is not None:
        arguments = ["--checkpoint", str(settings.audit_checkpoint_dir)]
        arguments += ["--public-key", str(settings.audit_public_keys_dir)]
    try:
        call_command("audit_verify", *arguments, stdout=out)
    except SystemExit as exit_:
        return int(exit_.code or 0), out.getvalue().strip()
    return 0, out.getvalue().strip()


def names(settings: conf.Conf) -> list[str]:
    assert settings.audit_checkpoint_dir is not None
    return sorted(path.name for path in settings.audit_checkpoint_dir.iterdir())


@pytest.mark.usefixtures("untold")
@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (lambda: chains.edit(3), "broken at sequence 3: edited"),
        (lambda: chains.delete(3), "broken at sequence 3: missing: event 3 is gone"),
        (lambda: chains.delete(8), "broken at sequence 8: tail cut"),
        (lambda: chains.cut(5, fix_head=False), "broken at sequence 6: tail cut"),
        (lambda: chains.swap(3, 4), "broken at sequence 3: reordered"),
        (lambda: chains.swap(3, 6), "broken at sequence 3: unlinked"),
        (lambda: chains.insert(4), "broken at sequence 4: inserted"),
        (lambda: chains.change(3, object_id="O9"), "column differs from the sealed payload"),
    ],
    ids=["edit", "delete", "last", "tail", "swap", "far swap", "insert", "column"],
)
def test_what_the_chain_itself_shows(attack: Callable[[], None], said: str):
    attack()
    status, output = verify()
    assert status == 1
    assert said in output


@pytest.mark.usefixtures("untold")
def test_a_tail_cut_with_the_head_row_set_back_is_shown_by_the_checkpoint(
    settings_in_force: conf.Conf,
):
    chains.cut(5, fix_head=True)
    assert verify()[0] == 0
    status, output = verify(settings_in_force)
    assert status == 1
    assert "shorter than it was: the chain ends at 5" in output
    assert "its tail was cut off, or an older backup was restored" in output


@pytest.mark.usefixtures("untold")
@pytest.mark.parametrize("first", [1, 3, 8])
def test_a_chain_that_was_written_anew_is_shown_by_the_checkpoint(
    settings_in_force: conf.Conf, first: int
):
    chains.rewrite(first)
    assert verify()[0] == 0
    status, output = verify(settings_in_force)
    assert status == 1
    assert "rewritten: event 8 is not the one that was signed" in output


def test_an_older_backup_that_goes_on_is_shown_by_the_checkpoint(settings_in_force: conf.Conf):
    with guards_lifted():
        chains.cut(5, fix_head=True)
    chains.record(6, start=60)
    assert verify()[0] == 0
    status, output = verify(settings_in_force)
    assert status == 1
    assert "goes on from an older backup" in output


def test_no_checkpoint_is_written_for_a_chain_that_contradicts_the_one_before(
    settings_in_force: conf.Conf,
):
    before = names(settings_in_force)
    with guards_lifted():
        chains.rewrite(3)
    done = sign(settings_in_force, hours=1)
    assert done.outcome == CheckpointOutcome.BROKEN
    assert "rewritten" in done.says
    assert names(settings_in_force) == before
    told = Escalation.objects.get(kind=EscalationKind.AUDIT_CHAIN_BROKEN)
    assert "rewritten: event 8" in told.detail["detail"]
    # The chain proves itself, and that must not pass for the end of the matter.
    assert verify()[0] == 0
    told.refresh_from_db()
    assert told.resolved_at is None


def test_no_checkpoint_is_written_where_the_head_row_names_no_event(settings_in_force: conf.Conf):
    chains.record(1, start=9)
    with guards_lifted():
        chains.delete(9)
    done = sign(settings_in_force, hours=1)
    assert done.outcome == CheckpointOutcome.BROKEN
    assert "the head row names 9" in done.says


def test_a_chain_that_grew_has_its_next_checkpoint_and_keeps_the_old_one(
    settings_in_force: conf.Conf,
):
    chains.record(2, start=9)
    assert sign(settings_in_force, hours=1).outcome == CheckpointOutcome.WRITTEN
    assert names(settings_in_force) == [
        "checkpoint-000000000008-20260105T120000000000Z.json",
        "checkpoint-000000000010-20260105T130000000000Z.json",
    ]
    status, output = verify(settings_in_force)
    assert status == 0
    assert output.endswith(
        "continues the checkpoint checkpoint-000000000010-20260105T130000000000Z.json (event 10)"
    )


@pytest.mark.parametrize("part", ['"sequence": 8', '"hash": "', '"signature": "'])
def test_a_changed_checkpoint_is_told_from_a_broken_chain(settings_in_force: conf.Conf, part: str):
    (path,) = settings_in_force.audit_checkpoint_dir.iterdir()
    text = path.read_text()
    at = text.index(part) + len(part)
    digit = "7" if part.endswith("8") else ("0" if text[at] != "0" else "1")
    at -= part.endswith("8")
    path.write_text(text[:at] + digit + text[at + 1 :])
    status, output = verify(settings_in_force)
    assert status == 1
    assert "it, or its signature, was changed after it was signed" in output
    assert sign(settings_in_force, hours=1).outcome == CheckpointOutcome.BROKEN


def test_an_old_checkpoint_under_a_newer_name_does_not_stand_before_those_after_it(
    settings_in_force: conf.Conf,
):
    (path,) = settings_in_force.audit_checkpoint_dir.iterdir()
    path.with_name(path.name.replace("0008-", "9999-")).write_bytes(path.read_bytes())
    status, output = verify(settings_in_force)
    assert status == 1
    assert f"its file was renamed: signed was {path.name}" in output
    assert sign(settings_in_force, hours=1).outcome == CheckpointOutcome.BROKEN


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"sequence": 8', '"sequence": Infinity'),
        ('"2026-01-05T12:00:00.000000Z"', '"0001-01-01T00:00:00+14:00"'),
    ],
)
def test_a_checkpoint_that_makes_no_sense_is_called_so(
    settings_in_force: conf.Conf, old: str, new: str
):
    (path,) = settings_in_force.audit_checkpoint_dir.iterdir()
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    status, output = verify(settings_in_force)
    assert status == 1
    assert "it is no checkpoint" in output


def test_a_checkpoint_of_another_key_is_told_as_such(settings_in_force: conf.Conf, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    make_key(other)
    status, output = verify(replace(settings_in_force, audit_public_keys_dir=other))
    assert status == 1
    assert "is none of those given" in output


def test_after_a_rotation_the_old_public_key_still_proves_the_old_checkpoint(
    settings_in_force: conf.Conf, tmp_path: Path
):
    private, _ = make_key(tmp_path, "next")
    rotated = replace(settings_in_force, audit_signing_key_file=private)
    chains.record(1, start=9)
    assert sign(rotated, hours=1).outcome == CheckpointOutcome.WRITTEN
    assert verify(rotated)[0] == 0
