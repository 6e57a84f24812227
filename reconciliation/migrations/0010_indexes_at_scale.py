"""Where tables have hundreds of thousands of rows, what is asked for is found by an index."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reconciliation", "0009_edited_outside"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="backfillcandidate",
            name="candidate_waiting",
        ),
        migrations.RemoveIndex(
            model_name="fill",
            name="fill_unconsumed_by_account",
        ),
        migrations.RemoveIndex(
            model_name="mismatch",
            name="mismatch_current",
        ),
        migrations.RemoveIndex(
            model_name="order",
            name="order_active_by_account",
        ),
        migrations.RemoveIndex(
            model_name="trade",
            name="trade_live_by_account",
        ),
        migrations.RemoveIndex(
            model_name="trade",
            name="trade_holding_by_profile",
        ),
        migrations.AddIndex(
            model_name="errand",
            index=models.Index(fields=["status", "id"], name="errand_by_status"),
        ),
        migrations.AddIndex(
            model_name="errand",
            index=models.Index(fields=["kind", "id"], name="errand_by_kind"),
        ),
        migrations.AddIndex(
            model_name="externalorder",
            index=models.Index(
                fields=["account", "status", "why"], name="external_order_by_account"
            ),
        ),
        migrations.AddIndex(
            model_name="fill",
            index=models.Index(
                condition=models.Q(("allocated_quantity__lt", models.F("quantity"))),
                fields=["account", "id"],
                name="fill_unconsumed",
            ),
        ),
        migrations.AddIndex(
            model_name="mismatch",
            index=models.Index(fields=["account", "status", "id"], name="mismatch_by_account"),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["account", "status", "symbol"], name="order_by_account"),
        ),
        migrations.AddIndex(
            model_name="pause",
            index=models.Index(fields=["source", "id"], name="pause_by_source"),
        ),
        migrations.AddIndex(
            model_name="pause",
            index=models.Index(fields=["ended_at", "profile"], name="pause_by_end"),
        ),
        migrations.AddIndex(
            model_name="pause",
            index=models.Index(
                condition=models.Q(("auto_resumed", True)),
                fields=["profile", "-ended_at"],
                name="pause_auto_resumed",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                fields=["account", "-started_at", "-id"], name="run_newest_of_account"
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["status", "id"], name="run_by_status"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["kind", "-started_at", "-id"], name="run_newest_of_job"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(fields=["account", "kind", "id"], name="run_by_job"),
        ),
        migrations.AddIndex(
            model_name="trade",
            index=models.Index(fields=["account", "status", "symbol"], name="trade_by_account"),
        ),
        migrations.AddIndex(
            model_name="trade",
            index=models.Index(fields=["profile", "status", "symbol"], name="trade_by_profile"),
        ),
        migrations.AddIndex(
            model_name="tradehistory",
            index=models.Index(
                condition=models.Q(("decision__isnull", False)),
                fields=["trade"],
                name="history_decided",
            ),
        ),
    ]
