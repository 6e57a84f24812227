import pytest

from reconciliation.management import base


@pytest.fixture(autouse=True)
def _settings_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let these tests count the events of a command alone: tests/handlers tells of settings."""
    monkeypatch.setattr(base, "note_settings", lambda **_: False)
