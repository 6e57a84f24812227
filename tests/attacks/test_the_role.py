"""The portal's role of docs/production.md can do the portal's work, and nothing to its trail."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import ProgrammingError, connection, transaction

from reconciliation import conf
from reconciliation.domain.audit import verify
from reconciliation.enums import Right
from reconciliation.handlers.pauses import pause_profile, resume_profile
from reconciliation.models import AuditEvent
from reconciliation.selectors.audit import ChainReader
from tests.attacks import chains
from tests.builders import FixedClock, make_profile
from tests.handlers.people import person

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        "postgres" not in settings.DATABASES["default"]["ENGINE"], reason="SQLite has no roles"
    ),
]
PAGE = Path(settings.BASE_DIR) / "docs" / "production.md"
BLOCKS = re.findall(
    r"tried by the tests -->\n```sql\n(.*?)```\n", PAGE.read_text(encoding="utf-8"), re.DOTALL
)
TABLE = "reconciliation_auditevent"


@pytest.fixture
def as_the_role() -> Iterator[None]:
    """The statements of the page, and then everything as the role that they make."""
    make_profile()
    chains.record(3)
    once, each = BLOCKS
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'recon_app'")
        if cursor.fetchone() is None:
            cursor.execute(once)
        for _ in range(2):
            cursor.execute(each)
        # Only now: what belongs to the test so far is still to be checked by its owner.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET ROLE recon_app")
        yield
        cursor.execute("RESET ROLE")


@pytest.mark.usefixtures("as_the_role")
def test_it_can_do_the_portals_work():
    olga = person("olga", Right.PAUSE)
    given = {"profile": make_profile(), "person": olga, "reason": "x", "clock": FixedClock()}
    assert pause_profile(**given, conf=conf.require({})).changed
    assert resume_profile(**given, conf=conf.require({})).changed
    chains.record(2, start=4)
    assert AuditEvent.objects.count() == 7
    reader = ChainReader()
    assert verify(reader.rows(), head=reader.head).intact


@pytest.mark.usefixtures("as_the_role")
@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE {TABLE} SET action = 'x' WHERE sequence = 1",
        f"DELETE FROM {TABLE} WHERE sequence = 1",
        f"TRUNCATE {TABLE}",
        f"ALTER TABLE {TABLE} DISABLE TRIGGER USER",
        f"DROP TRIGGER guard_audit_event_is_final_update ON {TABLE}",
        f"DROP TABLE {TABLE} CASCADE",
        f"ALTER TABLE {TABLE} OWNER TO recon_app",
        "SET session_replication_role = replica",
        "DROP FUNCTION reconciliation_guard_refuse() CASCADE",
        "CREATE OR REPLACE FUNCTION reconciliation_guard_refuse() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "DELETE FROM reconciliation_audithead",
        "INSERT INTO reconciliation_audithead (sequence, hash) VALUES (0, '')",
    ],
)
def test_it_can_do_nothing_to_the_trail(statement: str, no_write_outside_a_unit: list[str]):
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert AuditEvent.objects.count() == 3
