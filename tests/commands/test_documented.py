"""The lines that operations.md gives to paste are pasted, on a fresh database."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

PAGE = Path(settings.BASE_DIR) / "docs" / "operations.md"
BLOCKS = re.findall(
    r"<!-- tried by the tests -->\n```\n(.*?)```\n", PAGE.read_text(encoding="utf-8"), re.DOTALL
)


def paste(lines: str, database: Path) -> str:
    """Run lines in a shell whose virtual environment is this one."""
    done = subprocess.run(  # noqa: S603  (our own page)
        ["/bin/bash", "-e", "-c", lines],
        cwd=settings.BASE_DIR,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ENV_FILE": os.devnull,
            "SECRET_KEY": "x" * 50,
            "ALLOWED_HOSTS": "localhost",
            "DATABASE_URL": f"sqlite:///{database}",
        },
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(180)
def test_every_block_can_be_pasted_one_after_the_other(tmp_path: Path) -> None:
    database = tmp_path / "fresh.sqlite3"
    paste("python manage.py migrate -v 0", database)

    said = [paste(block, database) for block in BLOCKS]

    assert len(said) == 4
    assert said[-1].split("\n")[:3] == [
        "trade T1 accepted ",
        "order alphaT1entry1 accepted ",
        "history alpha-T1-1 accepted ",
    ]
    assert "intact: " in paste("python manage.py audit_verify", database)
