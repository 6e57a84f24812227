"""The closed sets of words of a drill that the product has no type for.

Each is the whole set, so that a misspelt word is found before anything runs; whether this
version serves what the word belongs to is the matter of `served`.
"""

from enum import StrEnum


class FaultEndpoint(StrEnum):
    """What of the paper exchange can be told to fail."""

    TIME = "time"
    INSTRUMENTS = "instruments"
    OPEN_ORDERS = "open_orders"
    ORDER = "order"
    ORDER_HISTORY = "order_history"
    FILLS = "fills"
    POSITIONS = "positions"
    BALANCE = "balance"
    TICKER = "ticker"
    ANY = "any"


class FaultKind(StrEnum):
    """How it fails; the paper exchange's own documentation says what each does."""

    HTTP_500 = "http_500"
    HTTP_429 = "http_429"
    HTTP_418 = "http_418"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    HTML_200 = "html_200"
    EMPTY_200 = "empty_200"
    TRUNCATED_200 = "truncated_200"
    EMPTY_LIST = "empty_list"
    AUTH = "auth"
    SKEW = "skew"
    MAINTENANCE = "maintenance"
    SHORT_PAGE = "short_page"
    DUPLICATE_PAGE = "duplicate_page"


class ChainState(StrEnum):
    INTACT = "intact"
    BROKEN = "broken"


class TamperTable(StrEnum):
    AUDIT = "audit"


AUDIT_ACTIONS = (
    "order.adopted",
    "order.updated",
    "order.canceled",
    "position.aligned",
    "trade.entry_filled",
    "trade.exit_filled",
    "trade.synthetic_exit",
    "trade.exit_reversed",
    "trade.quarantined",
    "trade.released",
    "backfill.applied",
    "backfill.no_go",
    "review.proposed",
    "review.approved",
    "review.rejected",
    "review.denied",
    "review.reopened",
    "review.reversed",
    "review.changed",
    "review.superseded",
    "pause.started",
    "pause.ended",
    "escalation.opened",
    "escalation.resolved",
    "capital.recalculated",
    "handler.refused",
)
"""The actions that a drill can count. An action that did not happen counts zero."""

HEALTH_NAMES = (
    "status",
    "accounts",
    "reconciliationLoopHealthy",
    "reconciliationLastRun",
    "reconciliationMismatchCount",
    "reconciliationMissingFromExchange",
    "reconciliationMissingInDb",
    "reconciliationAcceptedMismatchCount",
    "reconciliationParityHeartbeatEnabled",
    "reconciliationParityDryRun",
    "reconciliationParityMismatchTrades",
    "reconciliationParityQuarantinedTrades",
    "reconciliationParityAutoClosedTrades",
    "reconciliationParityMaxMismatchNotionalUsd",
    "reconciliationParityTotalMismatchNotionalUsd",
    "reconciliationIntegrityWatchdogTriggered",
)
"""The fields of `/internal/health`."""

SETTINGS = (
    "ENABLE_RECON_POSITION_PARITY_HEARTBEAT",
    "RECON_POSITION_PARITY_CONFIRMATIONS",
    "RECON_POSITION_PARITY_REQUIRE_SUBTAG_ATTRIBUTION",
    "RECON_POSITION_PARITY_MAX_NOTIONAL_PCT",
    "RECON_POSITION_PARITY_DRY_RUN",
    "ENABLE_RECON_WATCHDOG_AUTO_RESUME",
    "RECON_WATCHDOG_AUTO_RESUME_MIN_PAUSE_MS",
    "RECON_WATCHDOG_AUTO_RESUME_CLEAN_CYCLES",
    "RECON_WATCHDOG_AUTO_RESUME_COOLDOWN_MS",
    "RECON_EXIT_BACKFILL_REQUIRE_STRONG_ATTRIBUTION",
    "RECON_EXIT_BACKFILL_ALLOW_HEURISTIC_MATCH",
    "RECON_EXIT_BACKFILL_FILL_AFTER_TRADE_GRACE_MINUTES",
    "RECON_INFLIGHT_GRACE_MS",
    "RECON_ORDER_NOT_FOUND_RETRIES",
    "RECON_MAX_ORDER_LOOKUPS_PER_CYCLE",
    "RECON_POSITION_DUST_NOTIONAL_USD",
    "RECON_POSITION_PARITY_MAX_AUTO_CLOSES",
    "RECON_INTERVAL_SECONDS",
    "RECON_LOCK_TTL_MS",
    "RECON_REVIEW_EVIDENCE_MAX_AGE_MINUTES",
    "RECON_FOUR_EYES_MIN_NOTIONAL_USD",
    "RECON_CLIENT_ORDER_ID_PATTERN",
)
"""The settings that a drill may name; which of them this version reads, `conf.SETTINGS` says."""
