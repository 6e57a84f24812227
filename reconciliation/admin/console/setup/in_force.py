"""The settings in force: each with its value, where it comes from and what it is for. Read-only.

What could be a secret is shown as set or not set, never as it is.
"""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse

from reconciliation import conf
from reconciliation.admin import display
from reconciliation.admin.console.pages import render
from reconciliation.admin.console.setup.acts import overview
from reconciliation.admin.page import Notice, Section, Table, strong

# What follows from another value than the default, in words, where the meaning alone does not say.
_CAREFUL = {
    "ENABLE_RECON_POSITION_PARITY_HEARTBEAT": "Off, ghosts are not found and nothing closes them;"
    " only for a controlled rollback.",
    "RECON_POSITION_PARITY_CONFIRMATIONS": "Fewer act sooner, on less; more leave a ghost longer.",
    "RECON_POSITION_PARITY_REQUIRE_SUBTAG_ATTRIBUTION": "Off, a slice that nothing proves to be the"
    " profile's can be closed; on, it waits in quarantine.",
    "RECON_POSITION_PARITY_MAX_NOTIONAL_PCT": "0.5 is half of the allocated capital.",
    "RECON_POSITION_PARITY_DRY_RUN": "On, everything is observed and no synthetic exit is applied.",
    "ENABLE_RECON_WATCHDOG_AUTO_RESUME": "Only what the watchdog paused goes on by itself; what a"
    " person paused never does.",
    "RECON_EXIT_BACKFILL_REQUIRE_STRONG_ATTRIBUTION": "Off, a fill of unrelated activity could be"
    " consumed.",
    "RECON_EXIT_BACKFILL_ALLOW_HEURISTIC_MATCH": "Off, what nothing proves waits for a person as"
    " NO_GO; on, it may be closed by itself.",
    "RECON_EXIT_BACKFILL_FILL_AFTER_TRADE_GRACE_MINUTES": "Keeps old fills from newer slices.",
}


def in_force(request: HttpRequest) -> HttpResponse:
    """Show the settings in force."""
    return render(
        request,
        title="Settings in force",
        template="admin/console/setup/page.html",
        trail=[overview()],
        sections=list(_sections()),
        lines=[
            "Settings are changed where the portal is started: in its environment, or in .env where"
            " the environment does not have them. They hold from the next start on, so this page"
            " writes nothing. Each audit event names the settings that it was made under.",
        ],
    )


def source_of(name: str) -> str:
    """Return where a setting comes from, in words."""
    if name in settings.SET_BY_FILE:
        return ".env file"
    return "environment" if name in settings.SET_BY_ENVIRONMENT else "default"


def _sections() -> Iterator[Section]:
    loaded, problems = conf.load(settings.RECON_ENVIRON)
    for problem in problems:
        sentence = f"{problem.name}: {problem.fault}. {problem.hint}."
        yield Notice(level="error", sentence=display.text(sentence))
    rows = []
    for setting in conf.SETTINGS:
        text = settings.RECON_ENVIRON.get(setting.name, "").strip()
        changed = bool(text) and _value(text) != _value(setting.default)
        value = display.text(text or setting.default) if text or setting.default else "not set"
        rows.append(
            [
                setting.name,
                strong(f"{value} (changed)") if changed else value,
                display.text(setting.default) if setting.default else "not set",
                source_of(setting.name) if text else "default",
                f"{setting.meaning} {_CAREFUL.get(setting.name, '')}".strip(),
            ]
        )
    note = "" if loaded is None else f"Their hash, as audit events name it: {loaded.hash()}"
    yield Table(
        title="Reconciliation",
        headings=["Setting", "Value", "Default", "From", "What it does"],
        rows=rows,
        note=note,
        foreign=True,
    )
    yield Table(
        title="The portal itself",
        headings=["Setting", "Value", "From", "What it does"],
        rows=list(_of_django()),
        foreign=True,
    )


def _value(text: str) -> str:
    return text.strip().lower()


def _of_django() -> Iterator[list[str]]:
    engine = "PostgreSQL" if connection.vendor == "postgresql" else "SQLite"
    name = str(connection.settings_dict["NAME"])
    named = Path(name).name if connection.vendor == "sqlite" else name
    known = (
        (
            "DATABASE_URL",
            f"{engine}, {named}",
            "Where all is kept. PostgreSQL for real use.",
        ),
        ("REDIS_URL", _set(settings.REDIS_URL), "Where tasks wait; the database where not set."),
        ("SECRET_KEY", _set(settings.SECRET_KEY), "Signs sessions; never shown."),
        (
            "ALLOWED_HOSTS",
            ", ".join(settings.ALLOWED_HOSTS) or "not set",
            "The host names that serve the portal.",
        ),
        ("HTTPS_ONLY", _switch(settings.HTTPS_ONLY), "Pages and cookies over TLS alone."),
        (
            "INTERNAL_API_TOKEN",
            _set(settings.INTERNAL_API_TOKEN),
            "Lets monitoring read health and metrics; never shown.",
        ),
        ("DEBUG", _switch(settings.DEBUG), "Tracebacks in the browser: for development only."),
        ("DEMO", _switch(settings.DEMO), "The demo's own server: no exchange is real."),
    )
    for setting, value, does in known:
        yield [setting, display.text(value), source_of(setting), does]


def _set(value: object) -> str:
    return "set" if value else "not set"


def _switch(value: bool) -> str:
    return "true" if value else "false"
