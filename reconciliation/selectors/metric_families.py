"""Every metric that is read from the database: name, type, labels and meaning.

Names follow Prometheus: base units (seconds), `_total` on counters and on nothing else. The
meaning is the line that the scrape carries; docs/monitoring.md says more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class MetricType(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric; its samples differ by the values of its labels."""

    name: str
    type: MetricType
    labels: tuple[str, ...]
    meaning: str


def _counter(name: str, meaning: str, *labels: str) -> Family:
    return Family(name=name, type=MetricType.COUNTER, labels=labels, meaning=meaning)


def _gauge(name: str, meaning: str, *labels: str) -> Family:
    return Family(name=name, type=MetricType.GAUGE, labels=labels, meaning=meaning)


_ALL = (
    _counter(
        "reconciliation_mismatch_total",
        "Mismatches ever found, each counted once when first seen.",
        "profile",
    ),
    _counter(
        "reconciliation_missing_from_exchange_total",
        "Mismatches ever found of orders that the exchange does not show.",
        "profile",
    ),
    _counter(
        "reconciliation_missing_in_db_total",
        "Mismatches ever found of orders that the database does not know.",
        "profile",
    ),
    _counter(
        "reconciliation_parity_auto_closed_trades_total",
        "Trades ever closed by a synthetic exit.",
        "profile",
    ),
    _counter("reconciliation_audit_events_total", "Events in the audit chain."),
    _gauge(
        "reconciliation_audit_checkpoint_age_seconds",
        "How long ago the end of the audit chain was last signed.",
    ),
    _gauge(
        "reconciliation_status",
        "1 for the portal's status (ok, degraded, down), 0 for the others.",
        "status",
    ),
    _gauge(
        "reconciliation_loop_healthy",
        "1 if every enabled account finished a cycle within three intervals, else 0.",
    ),
    _gauge(
        "reconciliation_account_loop_healthy",
        "1 if the account finished a cycle within three intervals, else 0.",
        "account",
    ),
    _gauge(
        "reconciliation_open_mismatches",
        "Mismatches that are open now.",
        "profile",
        "kind",
    ),
    _gauge(
        "reconciliation_accepted_mismatches",
        "Mismatches that a person accepted and that are still there.",
        "profile",
    ),
    _gauge(
        "reconciliation_parity_heartbeat_enabled",
        "1 if positions are compared with the exchange's, else 0.",
    ),
    _gauge(
        "reconciliation_parity_dry_run",
        "1 if the position comparison only observes, else 0.",
    ),
    _gauge(
        "reconciliation_parity_mismatch_trades",
        "Trades that an open finding of the position comparison concerns.",
        "profile",
    ),
    _gauge(
        "reconciliation_parity_quarantined_trades",
        "Trades in quarantine, which wait for a person.",
        "profile",
    ),
    _gauge(
        "reconciliation_parity_max_mismatch_notional_usd",
        "The largest open finding of the position comparison, in USD.",
        "account",
    ),
    _gauge(
        "reconciliation_parity_total_mismatch_notional_usd",
        "All open findings of the position comparison, in USD.",
        "account",
    ),
    _gauge(
        "reconciliation_profile_mismatch_notional_usd",
        "What the profile's open findings come to for the watchdog, in USD.",
        "profile",
    ),
    _gauge(
        "reconciliation_integrity_watchdog_triggered",
        "1 while the integrity watchdog has the profile's trading paused, else 0.",
        "profile",
    ),
    _gauge(
        "reconciliation_paused",
        "1 while the profile's trading is paused by that source, else 0.",
        "profile",
        "source",
    ),
    _gauge(
        "reconciliation_escalations_open",
        "Causes that a person must be told of and that are not resolved.",
        "account",
        "kind",
    ),
    _gauge(
        "reconciliation_escalations_oldest_age_seconds",
        "For how long the oldest unresolved cause has been known; 0 if there is none.",
        "account",
        "kind",
    ),
    _gauge(
        "reconciliation_capital_allocated_usd",
        "Capital allocated to the profile, in USD.",
        "profile",
    ),
    _gauge(
        "reconciliation_capital_reserved_usd",
        "Capital that open entry orders reserve, in USD.",
        "profile",
    ),
    _gauge(
        "reconciliation_capital_used_usd",
        "Capital that open and quarantined trades use, in USD.",
        "profile",
    ),
    _gauge(
        "reconciliation_capital_free_usd",
        "Capital that is left, in USD; negative where more is bound than was allocated.",
        "profile",
    ),
    _gauge(
        "reconciliation_capital_unpriced",
        "Entry orders and trades without a known price, which are in no sum.",
        "profile",
    ),
    _gauge(
        "reconciliation_last_run_timestamp_seconds",
        "When the newest run of a job ended, in seconds since 1970.",
        "account",
        "kind",
    ),
    _gauge(
        "reconciliation_last_success_timestamp_seconds",
        "When the newest run of a job that read and wrote everything ended, since 1970.",
        "account",
        "kind",
    ),
    _gauge(
        "reconciliation_last_run_duration_seconds",
        "How long the newest run of a job took.",
        "account",
        "kind",
    ),
    _gauge(
        "reconciliation_last_run_status",
        "1 for how the newest run of a job ended, 0 for the other ways.",
        "account",
        "kind",
        "status",
    ),
    _gauge(
        "reconciliation_last_run_coverage_complete",
        "1 if the newest run of a job read everything, else 0.",
        "account",
        "kind",
    ),
    _gauge(
        "reconciliation_last_run_unread_parts",
        "Parts of the account that the newest run of a job could not read.",
        "account",
        "kind",
    ),
    _gauge(
        "reconciliation_lock_skipped_runs",
        "Newest runs of a job in a row that found every profile's lock held by another.",
        "account",
        "kind",
    ),
    _gauge(
        "reconciliation_lock_held",
        "1 while somebody holds the profile's reconciliation lock, else 0.",
        "profile",
    ),
    _gauge(
        "reconciliation_review_items",
        "Questions of a review queue that wait for a person.",
        "queue",
    ),
    _gauge(
        "reconciliation_review_oldest_age_seconds",
        "For how long the oldest question of a review queue has waited; 0 if none does.",
        "queue",
    ),
    _gauge(
        "reconciliation_external_orders_pending",
        "Exchange orders of nobody that wait to be adopted or ignored.",
        "account",
    ),
    _gauge(
        "reconciliation_external_orders_oldest_age_seconds",
        "For how long the oldest exchange order of nobody has waited; 0 if none does.",
        "account",
    ),
    _gauge(
        "reconciliation_unattributed_fills_pending",
        "Open findings of fills that no trade explains.",
        "account",
    ),
    _gauge(
        "reconciliation_job_queue_tasks",
        "Tasks of the jobs' queue that no worker has taken yet (database broker only).",
    ),
    _gauge(
        "reconciliation_job_queue_taken_tasks",
        "Tasks that a worker has taken and not ended (database broker only).",
    ),
    _gauge(
        "reconciliation_job_queue_oldest_age_seconds",
        "For how long the oldest task has waited for a worker; 0 if none does.",
    ),
    _gauge(
        "reconciliation_cluster_task_age_seconds",
        "How long ago a worker of the machine last took a task.",
        "host",
    ),
    _gauge(
        "reconciliation_cluster_result_age_seconds",
        "How long ago the result of a task was last recorded on the machine.",
        "host",
    ),
)
FAMILIES: Mapping[str, Family] = {family.name: family for family in _ALL}
