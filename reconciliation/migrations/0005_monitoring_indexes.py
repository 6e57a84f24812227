from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("reconciliation", "0004_cluster_beats"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="tradehistory",
            index=models.Index(
                condition=models.Q(("source", "SYNTHETIC")),
                fields=["trade"],
                name="history_synthetic",
            ),
        ),
        migrations.AddIndex(
            model_name="mismatch",
            index=models.Index(
                condition=models.Q(("status", "RESOLVED"), _negated=True),
                fields=["account", "profile", "kind", "status", "trade"],
                name="mismatch_current",
            ),
        ),
    ]
