"""Settings that cannot be understood stop the start, by name; none is taken for its default."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from recon_portal.environment import Environment

NAMES = ("DEBUG", "HTTPS_ONLY", "BEHIND_TLS_PROXY", "DATABASE_TRANSACTION_POOLER")


def environment(tmp_path: Path, text: str = "", **variables: str) -> Environment:
    """Return the environment of some variables, over an `.env` file of that text."""
    path = tmp_path / ".env"
    path.write_text(text)
    return Environment(path, dict(variables))


def faults(env: Environment) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        env.refuse_faults()
    return str(caught.value)


def start(*command: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run Python as a user would, with settings that are complete but for `variables`."""
    complete = {"ENV_FILE": os.devnull, "SECRET_KEY": "x" * 50, "ALLOWED_HOSTS": "localhost"}
    return subprocess.run(  # noqa: S603  (our own commands)
        [sys.executable, *command],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], **complete, **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("text", "means"),
    [
        *[(word, True) for word in ("true", "YES", "on", "1")],
        *[(word, False) for word in ("false", "No", "off", "0")],
    ],
)
def test_a_switch_is_read_in_the_usual_words(tmp_path: Path, text: str, means: bool) -> None:
    env = environment(tmp_path, HTTPS_ONLY=f" {text} ")

    assert env.switch("HTTPS_ONLY", default=not means) is means
    env.refuse_faults()


@pytest.mark.parametrize("default", [True, False])
def test_a_switch_that_is_empty_is_unset(tmp_path: Path, default: bool) -> None:
    env = environment(tmp_path, "HTTPS_ONLY=\n")

    assert env.switch("HTTPS_ONLY", default=default) is default


@pytest.mark.parametrize("text", ["maybe", "2", "truee", "ja", "true # or not"])
def test_a_switch_that_says_nothing_is_refused(tmp_path: Path, text: str) -> None:
    env = environment(tmp_path, HTTPS_ONLY=text)
    env.switch("HTTPS_ONLY", default=True)

    assert faults(env) == (
        f"HTTPS_ONLY: {text!r} is neither true nor false; for example HTTPS_ONLY=true"
    )


@pytest.mark.parametrize("text", ["-1", "1.5", "x", "86401", "٣"])
def test_a_number_out_of_range_is_refused(tmp_path: Path, text: str) -> None:
    env = environment(tmp_path, DATABASE_CONN_MAX_AGE=text)
    env.whole_number("DATABASE_CONN_MAX_AGE", default=60, low=0, high=86_400)

    assert "from 0 to 86400; for example DATABASE_CONN_MAX_AGE=60" in faults(env)


def test_a_log_level_is_one_of_the_words(tmp_path: Path) -> None:
    assert environment(tmp_path, LOG_LEVEL="debug").log_level("LOG_LEVEL") == "DEBUG"
    env = environment(tmp_path, LOG_LEVEL="LOUD")
    env.log_level("LOG_LEVEL")

    assert "LOG_LEVEL: 'LOUD' is none of DEBUG, INFO" in faults(env)


@pytest.mark.parametrize(
    ("url", "engine", "name"),
    [
        ("postgres://recon:p%2Fw@db.example:5432/recon?sslmode=require", "postgresql", "recon"),
        ("postgresql:///recon", "postgresql", "recon"),
        ("sqlite:////srv/recon.sqlite3", "sqlite3", "/srv/recon.sqlite3"),
        ("sqlite:///var/recon.sqlite3", "sqlite3", "var/recon.sqlite3"),
    ],
)
def test_a_database_is_postgresql_or_sqlite(
    tmp_path: Path, url: str, engine: str, name: str
) -> None:
    env = environment(tmp_path, DATABASE_URL=url)

    found = env.database("DATABASE_URL", default=tmp_path / "default.sqlite3")

    env.refuse_faults()
    assert (found["ENGINE"], found["NAME"]) == (f"django.db.backends.{engine}", name)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "hunter22",
        "mysql://u:hunter22@h/db",
        "http://u:hunter22@h/db",
        "postgres://u:hunter22@h",
        "postgres://u:hunter22@h/",
        "postgres://u:hunter22@h:port/db",
        "postgres://u:hunter22/x@h/db",
        "sqlite://",
        "sqlite:///",
        "sqlite://var/recon.sqlite3",
        "sqlite://:memory:",
    ],
)
def test_a_database_url_that_is_none_is_refused_and_not_shown(tmp_path: Path, url: str) -> None:
    env = environment(tmp_path, DATABASE_URL=url)
    env.database("DATABASE_URL", default=tmp_path / "default.sqlite3")

    told = faults(env)

    assert told.startswith("DATABASE_URL: ")
    assert "for example DATABASE_URL=postgres://" in told
    assert "hunter22" not in told
    assert "nonsense" not in told


def test_without_a_url_the_database_is_a_file_whose_folder_is_made(tmp_path: Path) -> None:
    file = tmp_path / "var" / "portal.sqlite3"

    found = environment(tmp_path).database("DATABASE_URL", default=file)

    assert found["NAME"] == str(file)
    assert file.parent.is_dir()
    assert not file.exists()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = environment(tmp_path, STATIC_ROOT=str(tmp_path / "file" / "static"))
    env.folder("STATIC_ROOT", default=tmp_path / "static")

    assert "STATIC_ROOT: " in faults(env)


def test_the_environment_has_precedence_over_the_file(tmp_path: Path) -> None:
    env = environment(tmp_path, "# a comment\n\nexport A=file\nB='of file'\n", A="environment")

    assert (env.text("A"), env.text("B")) == ("environment", "of file")
    env.refuse_faults()


def test_a_line_of_the_file_that_sets_nothing_is_refused_and_not_shown(tmp_path: Path) -> None:
    told = faults(environment(tmp_path, "A=1\nMAIN_SECRET = hunter22\n"))

    assert "ENV_FILE: line 2 of" in told
    assert "hunter22" not in told


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    env = Environment(tmp_path / "none", {"ENV_FILE": str(tmp_path / "typo")})
    assert "ENV_FILE: there is no file" in faults(env)
    assert "cannot be read" in faults(Environment(tmp_path, {}))
    Environment(tmp_path / "none", {}).refuse_faults()


def test_every_fault_is_told_in_one_message_without_a_traceback() -> None:
    wrong = dict.fromkeys((*NAMES, "DATABASE_CONN_MAX_AGE", "LOG_LEVEL"), "maybe")
    done = start("manage.py", "check", **wrong, DATABASE_URL="nonsense")

    assert (done.returncode, done.stdout) == (1, "")
    first, *told = done.stderr.splitlines()
    assert first == "The settings cannot be used."
    assert sorted(line.split(":")[0] for line in told) == sorted([*wrong, "DATABASE_URL"])


@pytest.mark.parametrize(
    "wrong",
    [{"HTTPS_ONLY": "maybe"}, {"RECON_LOCK_TTL_MS": "soon"}, {"ALLOWED_HOSTS": ""}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_the_web_does_not_start_and_its_server_does_not_try_again(wrong: dict[str, str]) -> None:
    done = start("-c", "import recon_portal.wsgi", **wrong)

    # 3 is gunicorn's own word for a worker that no other should replace.
    assert done.returncode == 3
    assert next(iter(wrong)) in done.stderr
    assert "Traceback" not in done.stderr
