"""Decisions of people, what the heartbeat keeps, pauses, capital, escalations."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

import reconciliation.models.fields
from reconciliation.migrations import _guards

# Frozen, as those of the second migration are.
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


def remove_guards(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _guards.remove(schema_editor)


def install_guards(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _guards.install(
        schema_editor,
        order_transitions=ORDER_TRANSITIONS,
        trade_transitions=TRADE_TRANSITIONS,
        append_only=_guards.APPEND_ONLY_SINCE_DECISIONS,
    )


def install_former_guards(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _guards.install(
        schema_editor, order_transitions=ORDER_TRANSITIONS, trade_transitions=TRADE_TRANSITIONS
    )


class Migration(migrations.Migration):
    dependencies = [
        ("reconciliation", "0006_backfill"),
    ]

    operations = [
        migrations.RunPython(remove_guards, install_former_guards, elidable=False),
        migrations.CreateModel(
            name="AcceptedPosition",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("symbol", models.CharField(max_length=64)),
                (
                    "side",
                    models.CharField(
                        choices=[("net", "Net"), ("long", "Long"), ("short", "Short")], max_length=8
                    ),
                ),
                ("quantity", reconciliation.models.fields.ExactDecimalField()),
                ("updated_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="CapitalBalance",
            fields=[
                (
                    "profile",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="capital",
                        serialize=False,
                        to="reconciliation.profile",
                    ),
                ),
                ("allocated_usd", reconciliation.models.fields.ExactDecimalField()),
                ("reserved_usd", reconciliation.models.fields.ExactDecimalField()),
                ("used_usd", reconciliation.models.fields.ExactDecimalField()),
                ("unpriced", models.PositiveIntegerField(default=0)),
                ("updated_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="CapitalEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("ALLOCATION", "Allocation"),
                            ("ORDERS", "Orders"),
                            ("HISTORY", "History"),
                            ("ORDERS_AND_HISTORY", "Orders And History"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "allocated_usd",
                    reconciliation.models.fields.ExactDecimalField(
                        help_text="The change, signed, as in all three columns."
                    ),
                ),
                ("reserved_usd", reconciliation.models.fields.ExactDecimalField()),
                ("used_usd", reconciliation.models.fields.ExactDecimalField()),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "capital entries",
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Decision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("PROPOSED", "Proposed"),
                            ("APPROVED", "Approved"),
                            ("REJECTED", "Rejected"),
                            ("REOPENED", "Reopened"),
                            ("REVERSED", "Reversed"),
                            ("ADOPTED", "Adopted"),
                            ("IGNORED", "Ignored"),
                            ("ALLOCATED", "Allocated"),
                        ],
                        max_length=12,
                    ),
                ),
                ("maker_id", models.CharField(max_length=64)),
                ("maker_name", models.CharField(max_length=150)),
                ("checker_id", models.CharField(blank=True, max_length=64)),
                ("checker_name", models.CharField(blank=True, max_length=150)),
                ("four_eyes", models.BooleanField(default=False)),
                (
                    "override",
                    models.BooleanField(
                        default=False, help_text="Decided on evidence that could not be refreshed."
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("CONFIRMED_FLAT", "Confirmed Flat"),
                            ("EXITED_MANUALLY", "Exited Manually"),
                            ("LIQUIDATED", "Liquidated"),
                            ("NOT_OURS", "Not Ours"),
                            ("STILL_OPEN", "Still Open"),
                            ("DUPLICATE", "Duplicate"),
                            ("OTHER", "Other"),
                        ],
                        max_length=20,
                    ),
                ),
                ("comment", models.TextField(blank=True)),
                ("terms", models.JSONField(default=dict)),
                (
                    "notional_usd",
                    reconciliation.models.fields.ExactDecimalField(blank=True, null=True),
                ),
                ("evidence_hash", models.CharField(blank=True, max_length=64)),
                ("item_version", models.PositiveIntegerField()),
                ("decided_at", models.DateTimeField()),
            ],
            options={
                "permissions": (
                    ("propose_decision", "Can propose a decision"),
                    ("approve_decision", "Can approve a decision"),
                    ("reject_decision", "Can reject, reopen and dispose of what is nobody's"),
                    ("reverse_decision", "Can reverse a decision"),
                    ("refresh_evidence", "Can read evidence anew and run the jobs"),
                    ("pause_profile", "Can pause and resume a profile's trading"),
                    ("set_up_accounts", "Can add accounts, profiles, keys and baselines"),
                    ("export_audit", "Can export and verify the audit trail"),
                ),
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="Escalation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("PERSISTENT_MISMATCH", "Persistent Mismatch"),
                            ("LOCK_CONTENTION", "Lock Contention"),
                            ("UNKNOWN_FILLS", "Unknown Fills"),
                            ("STALE_FILLS", "Stale Fills"),
                            ("LOOP_STALLED", "Loop Stalled"),
                            ("WATCHDOG_TRIGGERED", "Watchdog Triggered"),
                            ("MASS_MISMATCH", "Mass Mismatch"),
                            ("AUDIT_CHAIN_BROKEN", "Audit Chain Broken"),
                        ],
                        max_length=24,
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("OPEN", "Open"),
                            ("ACKNOWLEDGED", "Acknowledged"),
                            ("RESOLVED", "Resolved"),
                        ],
                        max_length=12,
                    ),
                ),
                ("says", models.TextField(help_text="What is wrong, in a sentence.")),
                ("detail", models.JSONField(default=dict)),
                ("opened_at", models.DateTimeField()),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
                ("acknowledged_by", models.CharField(blank=True, max_length=150)),
                ("resolved_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="EscalationSighting",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("count", models.PositiveIntegerField(default=1)),
                ("last_seen_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="MarkPrice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("symbol", models.CharField(max_length=64)),
                ("price", reconciliation.models.fields.ExactDecimalField()),
                ("as_of", models.DateTimeField()),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="ParityReading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("symbol", models.CharField(max_length=64)),
                (
                    "side",
                    models.CharField(
                        choices=[("net", "Net"), ("long", "Long"), ("short", "Short")], max_length=8
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("CLEAN", "Clean"),
                            ("UNKNOWN", "Unknown"),
                            ("FRESH", "Fresh"),
                            ("GHOST_POSITION", "Ghost Position"),
                            ("POSITION_MISMATCH", "Position Mismatch"),
                            ("AMBIGUOUS_OWNERS", "Ambiguous Owners"),
                            ("ORPHAN_POSITION", "Orphan Position"),
                        ],
                        max_length=20,
                    ),
                ),
                ("streak", models.PositiveIntegerField(default=0)),
                (
                    "virtual_quantity",
                    reconciliation.models.fields.ExactDecimalField(blank=True, null=True),
                ),
                (
                    "actual_quantity",
                    reconciliation.models.fields.ExactDecimalField(blank=True, null=True),
                ),
                ("mark", reconciliation.models.fields.ExactDecimalField(blank=True, null=True)),
                ("as_of", models.DateTimeField()),
                ("outcome", models.TextField(blank=True)),
                ("dry_run", models.BooleanField(default=False)),
                ("evidence", models.JSONField(default=dict)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="ParityWatch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("symbol", models.CharField(max_length=64)),
                (
                    "side",
                    models.CharField(
                        choices=[("net", "Net"), ("long", "Long"), ("short", "Short")], max_length=8
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("CLEAN", "Clean"),
                            ("UNKNOWN", "Unknown"),
                            ("FRESH", "Fresh"),
                            ("GHOST_POSITION", "Ghost Position"),
                            ("POSITION_MISMATCH", "Position Mismatch"),
                            ("AMBIGUOUS_OWNERS", "Ambiguous Owners"),
                            ("ORPHAN_POSITION", "Orphan Position"),
                        ],
                        max_length=20,
                    ),
                ),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("streak", models.PositiveIntegerField(default=0)),
                ("counted_as_of", models.DateTimeField(blank=True, null=True)),
                ("fresh_count", models.PositiveIntegerField(default=0)),
            ],
            options={
                "verbose_name_plural": "parity watches",
                "ordering": ["id"],
            },
        ),
        migrations.CreateModel(
            name="Pause",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "source",
                    models.CharField(
                        choices=[("PARITY_WATCHDOG", "Parity Watchdog"), ("OPERATOR", "Operator")],
                        max_length=16,
                    ),
                ),
                ("reason", models.TextField(blank=True)),
                ("started_at", models.DateTimeField()),
                ("started_by", models.CharField(blank=True, max_length=150)),
                ("evidence", models.JSONField(default=dict)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("ended_by", models.CharField(blank=True, max_length=150)),
                ("end_reason", models.TextField(blank=True)),
                ("end_evidence", models.JSONField(default=dict)),
                ("auto_resumed", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ["-id"],
            },
        ),
        migrations.CreateModel(
            name="WatchdogState",
            fields=[
                (
                    "profile",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="watchdog",
                        serialize=False,
                        to="reconciliation.profile",
                    ),
                ),
                (
                    "notional_usd",
                    reconciliation.models.fields.ExactDecimalField(blank=True, null=True),
                ),
                ("is_known", models.BooleanField(default=False)),
                ("clean_heartbeats", models.PositiveIntegerField(default=0)),
                ("as_of", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AlterModelOptions(
            name="reviewitem",
            options={"ordering": ["id"], "verbose_name": "quarantined slice"},
        ),
        migrations.RemoveConstraint(
            model_name="reviewitem",
            name="review_one_waiting_per_trade",
        ),
        migrations.RemoveConstraint(
            model_name="reviewitem",
            name="review_one_waiting_per_fill",
        ),
        migrations.RemoveIndex(
            model_name="reviewitem",
            name="review_by_status",
        ),
        migrations.RemoveField(
            model_name="reviewitem",
            name="queue",
        ),
        migrations.AddField(
            model_name="fill",
            name="set_aside",
            field=models.BooleanField(
                default=False, help_text="A person said that what is not booked of it is not ours."
            ),
        ),
        migrations.AddField(
            model_name="mismatchsighting",
            name="mark",
            field=reconciliation.models.fields.ExactDecimalField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="mismatchsighting",
            name="notional_usd",
            field=reconciliation.models.fields.ExactDecimalField(
                blank=True, help_text="Share × mark; empty where there is no mark.", null=True
            ),
        ),
        migrations.AddField(
            model_name="mismatchsighting",
            name="quantity",
            field=reconciliation.models.fields.ExactDecimalField(
                blank=True,
                help_text="The slice's share of the difference, without its sign.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="mismatchsighting",
            name="streak",
            field=models.PositiveIntegerField(
                default=0,
                help_text="Consecutive confirmations by the heartbeat, as of the last one.",
            ),
        ),
        migrations.AddIndex(
            model_name="reviewitem",
            index=models.Index(fields=["status", "id"], name="review_by_status"),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.UniqueConstraint(
                condition=models.Q(("fill", None), ("status__in", ["PENDING", "PROPOSED"])),
                fields=("trade", "reason"),
                name="review_one_waiting_per_trade",
            ),
        ),
        migrations.AddConstraint(
            model_name="reviewitem",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("fill__isnull", False), ("status__in", ["PENDING", "PROPOSED"])
                ),
                fields=("fill",),
                name="review_one_waiting_per_fill",
            ),
        ),
        migrations.AddField(
            model_name="acceptedposition",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="accepted_positions",
                to="reconciliation.exchangeaccount",
            ),
        ),
        migrations.AddField(
            model_name="capitalentry",
            name="profile",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="capital_entries",
                to="reconciliation.profile",
            ),
        ),
        migrations.AddField(
            model_name="capitalentry",
            name="run",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="capital_entries",
                to="reconciliation.run",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="reconciliation.exchangeaccount",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="candidate",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="reconciliation.backfillcandidate",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="external_order",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="reconciliation.externalorder",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="fill",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="reconciliation.fill",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="mismatch",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="reconciliation.mismatch",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="profile",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="reconciliation.profile",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="proposal",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="answers",
                to="reconciliation.decision",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="reverses",
            field=models.OneToOneField(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reversed_by",
                to="reconciliation.decision",
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="review",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="decisions",
                to="reconciliation.reviewitem",
            ),
        ),
        migrations.AddField(
            model_name="acceptedposition",
            name="decision",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="accepted_positions",
                to="reconciliation.decision",
            ),
        ),
        migrations.AddField(
            model_name="tradehistory",
            name="decision",
            field=models.ForeignKey(
                blank=True,
                help_text="The person's decision that wrote it, if one did.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="history",
                to="reconciliation.decision",
            ),
        ),
        migrations.AddField(
            model_name="escalation",
            name="account",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="escalations",
                to="reconciliation.exchangeaccount",
            ),
        ),
        migrations.AddField(
            model_name="escalation",
            name="profile",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="escalations",
                to="reconciliation.profile",
            ),
        ),
        migrations.AddField(
            model_name="escalation",
            name="run",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="escalations",
                to="reconciliation.run",
            ),
        ),
        migrations.AddField(
            model_name="escalationsighting",
            name="escalation",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="sighting",
                to="reconciliation.escalation",
            ),
        ),
        migrations.AddField(
            model_name="markprice",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="marks",
                to="reconciliation.exchangeaccount",
            ),
        ),
        migrations.AddField(
            model_name="parityreading",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="parity_readings",
                to="reconciliation.exchangeaccount",
            ),
        ),
        migrations.AddField(
            model_name="parityreading",
            name="run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="parity_readings",
                to="reconciliation.run",
            ),
        ),
        migrations.AddField(
            model_name="paritywatch",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="parity_watches",
                to="reconciliation.exchangeaccount",
            ),
        ),
        migrations.AddField(
            model_name="paritywatch",
            name="last_run",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="parity_watches",
                to="reconciliation.run",
            ),
        ),
        migrations.AddField(
            model_name="pause",
            name="profile",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="pauses",
                to="reconciliation.profile",
            ),
        ),
        migrations.AddField(
            model_name="watchdogstate",
            name="run",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="watchdogs",
                to="reconciliation.run",
            ),
        ),
        migrations.AddIndex(
            model_name="capitalentry",
            index=models.Index(fields=["profile", "-id"], name="capital_by_profile"),
        ),
        migrations.AddConstraint(
            model_name="capitalentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("cause__in", ["ALLOCATION", "ORDERS", "HISTORY", "ORDERS_AND_HISTORY"])
                ),
                name="capital_cause_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="capitalentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("allocated_usd", 0), ("reserved_usd", 0), ("used_usd", 0), _negated=True
                ),
                name="capital_entry_changes_something",
            ),
        ),
        migrations.AddIndex(
            model_name="decision",
            index=models.Index(fields=["-decided_at", "-id"], name="decision_newest_first"),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "PROPOSED",
                            "APPROVED",
                            "REJECTED",
                            "REOPENED",
                            "REVERSED",
                            "ADOPTED",
                            "IGNORED",
                            "ALLOCATED",
                        ],
                    )
                ),
                name="decision_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "reason__in",
                        [
                            "CONFIRMED_FLAT",
                            "EXITED_MANUALLY",
                            "LIQUIDATED",
                            "NOT_OURS",
                            "STILL_OPEN",
                            "DUPLICATE",
                            "OTHER",
                        ],
                    )
                ),
                name="decision_reason_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("reason", "OTHER"), _negated=True),
                    models.Q(("comment", ""), _negated=True),
                    _connector="OR",
                ),
                name="decision_other_is_explained",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("candidate__isnull", True),
                        ("external_order__isnull", True),
                        ("fill__isnull", True),
                        ("mismatch__isnull", True),
                        ("review__isnull", False),
                    ),
                    models.Q(
                        ("candidate__isnull", False),
                        ("external_order__isnull", True),
                        ("fill__isnull", True),
                        ("mismatch__isnull", True),
                        ("review__isnull", True),
                    ),
                    models.Q(
                        ("candidate__isnull", True),
                        ("external_order__isnull", False),
                        ("fill__isnull", True),
                        ("mismatch__isnull", True),
                        ("review__isnull", True),
                    ),
                    models.Q(
                        ("candidate__isnull", True),
                        ("external_order__isnull", True),
                        ("fill__isnull", False),
                        ("mismatch__isnull", True),
                        ("review__isnull", True),
                    ),
                    models.Q(
                        ("candidate__isnull", True),
                        ("external_order__isnull", True),
                        ("fill__isnull", True),
                        ("mismatch__isnull", False),
                        ("review__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="decision_has_one_subject",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("four_eyes", False),
                    models.Q(
                        models.Q(("checker_id", ""), _negated=True),
                        models.Q(("checker_id", models.F("maker_id")), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="decision_four_eyes_are_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="decision",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "REVERSED"), ("reverses__isnull", False)),
                    models.Q(
                        models.Q(("kind", "REVERSED"), _negated=True), ("reverses__isnull", True)
                    ),
                    _connector="OR",
                ),
                name="decision_reversal_names_what_it_reverses",
            ),
        ),
        migrations.AddConstraint(
            model_name="acceptedposition",
            constraint=models.UniqueConstraint(
                fields=("account", "symbol", "side"), name="accepted_position_unique"
            ),
        ),
        migrations.AddIndex(
            model_name="escalation",
            index=models.Index(fields=["status", "id"], name="escalation_by_status"),
        ),
        migrations.AddConstraint(
            model_name="escalation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "RESOLVED"), _negated=True),
                fields=("key",),
                name="escalation_one_open_per_cause",
            ),
        ),
        migrations.AddConstraint(
            model_name="escalation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "PERSISTENT_MISMATCH",
                            "LOCK_CONTENTION",
                            "UNKNOWN_FILLS",
                            "STALE_FILLS",
                            "LOOP_STALLED",
                            "WATCHDOG_TRIGGERED",
                            "MASS_MISMATCH",
                            "AUDIT_CHAIN_BROKEN",
                        ],
                    )
                ),
                name="escalation_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="escalation",
            constraint=models.CheckConstraint(
                condition=models.Q(("status__in", ["OPEN", "ACKNOWLEDGED", "RESOLVED"])),
                name="escalation_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="escalation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("resolved_at__isnull", False), ("status", "RESOLVED")),
                    models.Q(
                        models.Q(("status", "RESOLVED"), _negated=True),
                        ("resolved_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="escalation_resolved_has_its_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="markprice",
            constraint=models.UniqueConstraint(
                fields=("account", "symbol"), name="mark_unique_per_symbol"
            ),
        ),
        migrations.AddConstraint(
            model_name="markprice",
            constraint=models.CheckConstraint(
                condition=models.Q(("price__gt", 0)), name="mark_price_positive"
            ),
        ),
        migrations.AddIndex(
            model_name="parityreading",
            index=models.Index(
                fields=["account", "symbol", "-id"], name="parity_reading_by_symbol"
            ),
        ),
        migrations.AddConstraint(
            model_name="parityreading",
            constraint=models.UniqueConstraint(
                fields=("run", "symbol", "side"), name="parity_reading_once_a_run"
            ),
        ),
        migrations.AddConstraint(
            model_name="parityreading",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "CLEAN",
                            "UNKNOWN",
                            "FRESH",
                            "GHOST_POSITION",
                            "POSITION_MISMATCH",
                            "AMBIGUOUS_OWNERS",
                            "ORPHAN_POSITION",
                        ],
                    )
                ),
                name="parity_reading_kind_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="paritywatch",
            constraint=models.UniqueConstraint(
                fields=("account", "symbol", "side"), name="parity_watch_unique_per_position"
            ),
        ),
        migrations.AddConstraint(
            model_name="paritywatch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "CLEAN",
                            "UNKNOWN",
                            "FRESH",
                            "GHOST_POSITION",
                            "POSITION_MISMATCH",
                            "AMBIGUOUS_OWNERS",
                            "ORPHAN_POSITION",
                        ],
                    )
                ),
                name="parity_watch_kind_known",
            ),
        ),
        migrations.AddIndex(
            model_name="pause",
            index=models.Index(fields=["profile", "-id"], name="pause_by_profile"),
        ),
        migrations.AddConstraint(
            model_name="pause",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)),
                fields=("profile", "source"),
                name="pause_one_open_per_source",
            ),
        ),
        migrations.AddConstraint(
            model_name="pause",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["PARITY_WATCHDOG", "OPERATOR"])),
                name="pause_source_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="pause",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("auto_resumed", False),
                    models.Q(("ended_at__isnull", False), ("source", "PARITY_WATCHDOG")),
                    _connector="OR",
                ),
                name="pause_only_the_watchdog_resumes_by_itself",
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(fields=["account", "last_activity_at"], name="order_by_activity"),
        ),
        migrations.AddIndex(
            model_name="trade",
            index=models.Index(fields=["account", "last_activity_at"], name="trade_by_activity"),
        ),
        migrations.RunPython(install_guards, remove_guards, elidable=False),
    ]
