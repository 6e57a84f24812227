"""What is written past the portal leaves a note."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from reconciliation.migrations import _edits


def install(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _edits.install(schema_editor)


def remove(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _edits.remove(schema_editor)


class Migration(migrations.Migration):
    dependencies = [
        ("reconciliation", "0008_console_and_audit"),
    ]

    operations = [
        migrations.AddField(
            model_name="position",
            name="version",
            field=models.PositiveIntegerField(
                default=1, help_text="Counts the portal's writes of what it holds to be true."
            ),
        ),
        migrations.CreateModel(
            name="OutsideEdit",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=16)),
                ("row_id", models.BigIntegerField()),
                ("symbol", models.CharField(max_length=64)),
                (
                    "direction",
                    models.CharField(blank=True, help_text="Of a position alone.", max_length=8),
                ),
                ("before", models.JSONField()),
                ("after", models.JSONField()),
                ("edited_at", models.DateTimeField()),
                ("noticed_at", models.DateTimeField(blank=True, null=True)),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reconciliation.exchangeaccount",
                    ),
                ),
                (
                    "profile",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reconciliation.profile",
                    ),
                ),
                (
                    "trade",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="reconciliation.trade",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("settled_at__isnull", True)),
                        fields=["account", "kind", "row_id"],
                        name="outside_edit_unsettled",
                    )
                ],
            },
        ),
        migrations.RunPython(install, remove, elidable=False),
    ]
