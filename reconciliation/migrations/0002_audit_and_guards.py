"""The audit chain's head row, and the rules that only triggers can hold."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from reconciliation.migrations import _guards

# Frozen: what this migration did stays what it did. A test compares them with domain/transitions;
# where those change, a new migration removes the guards and installs them with the new pairs.
ORDER_TRANSITIONS = (
    ("CANCELED", "FILLED"),
    ("CANCELED", "OPEN"),
    ("CANCELED", "PARTIALLY_FILLED"),
    ("EXPIRED", "FILLED"),
    ("EXPIRED", "OPEN"),
    ("EXPIRED", "PARTIALLY_FILLED"),
    ("FILLED", "OPEN"),
    ("FILLED", "PARTIALLY_FILLED"),
    ("OPEN", "CANCELED"),
    ("OPEN", "EXPIRED"),
    ("OPEN", "FILLED"),
    ("OPEN", "PARTIALLY_FILLED"),
    ("OPEN", "REJECTED"),
    ("PARTIALLY_FILLED", "CANCELED"),
    ("PARTIALLY_FILLED", "EXPIRED"),
    ("PARTIALLY_FILLED", "FILLED"),
    ("PARTIALLY_FILLED", "OPEN"),
    ("PARTIALLY_FILLED", "REJECTED"),
    ("PENDING", "CANCELED"),
    ("PENDING", "EXPIRED"),
    ("PENDING", "FILLED"),
    ("PENDING", "OPEN"),
    ("PENDING", "PARTIALLY_FILLED"),
    ("PENDING", "REJECTED"),
    ("REJECTED", "FILLED"),
    ("REJECTED", "OPEN"),
    ("REJECTED", "PARTIALLY_FILLED"),
)
TRADE_TRANSITIONS = (
    ("CANCELED", "CLOSED"),
    ("CANCELED", "OPEN"),
    ("CANCELED", "PENDING"),
    ("CLOSED", "OPEN"),
    ("CLOSED", "QUARANTINED"),
    ("OPEN", "CLOSED"),
    ("OPEN", "QUARANTINED"),
    ("PENDING", "CANCELED"),
    ("PENDING", "CLOSED"),
    ("PENDING", "OPEN"),
    ("QUARANTINED", "CLOSED"),
    ("QUARANTINED", "OPEN"),
)
GENESIS = "0" * 64


def begin_chain(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    head = apps.get_model("reconciliation", "AuditHead")
    head.objects.using(schema_editor.connection.alias).create(pk=1, sequence=0, hash=GENESIS)


def end_chain(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    head = apps.get_model("reconciliation", "AuditHead")
    head.objects.using(schema_editor.connection.alias).all().delete()


def install_guards(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _guards.install(
        schema_editor, order_transitions=ORDER_TRANSITIONS, trade_transitions=TRADE_TRANSITIONS
    )


def remove_guards(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _guards.remove(schema_editor)


class Migration(migrations.Migration):
    dependencies = [("reconciliation", "0001_initial")]

    operations = [
        migrations.RunPython(begin_chain, end_chain, elidable=False),
        migrations.RunPython(install_guards, remove_guards, elidable=False),
    ]
