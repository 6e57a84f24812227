"""What docs/api.md gives to paste is pasted, against a server of this process."""

import json
import re
import shutil
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from reconciliation.models import ApiKey, Trade
from tests.builders import make_profile
from tests.web.api.bots import make_bot

PAGE = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text(encoding="utf-8")
CREATE, REVOKE, CURL = re.findall(r"<!-- tried by the tests -->\n```\n(.*?)```\n", PAGE, re.DOTALL)


@pytest.mark.django_db
def test_the_commands_can_be_pasted_one_after_the_other():
    make_profile()
    for line in (CREATE + REVOKE).splitlines():
        python, script, command, *arguments = line.split()
        assert (python, script) == ("python", "manage.py")
        call_command(command, *arguments, stdout=StringIO())
    assert ApiKey.objects.get().revoked_at is not None


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_request_can_be_pasted_and_all_of_its_rows_are_taken(live_server: Any):
    bot = make_bot()
    done = subprocess.run(  # noqa: S603  (our own page)
        ["/bin/bash", "-e", "-c", CURL],
        env={"PATH": "/usr/bin:/bin", "PORTAL": live_server.url, "BOT_KEY": bot.key},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answer = json.loads(done.stdout)
    assert (answer["accepted"], len(answer["rows"])) == (3, 3)
    assert str(Trade.objects.get().entry_quantity) == "0.5"
