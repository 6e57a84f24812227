"""The portal's settings: one frozen, typed view, and the only reader of their text.

`SETTINGS` is the whole list: name, default, what it means, an example. A name that begins like
ours but is none of them is a problem too, because a typo in a safety setting must not pass.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from reconciliation.domain.amounts import InexactAmount, parse_amount, plain
from reconciliation.domain.id_patterns import (
    ClientOrderIdPattern,
    UnusablePattern,
    parse_pattern,
)
from reconciliation.domain.keys import evidence_hash


class InvalidValue(ValueError):
    """The text of a setting does not say what the setting needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: `field` is its name in `Conf`, `default` the text that holds when unset.

    `example` is shown with a problem, the default where there is none.
    """

    name: str
    field: str
    default: str
    parse: Callable[[str], Any]
    meaning: str
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something wrong with a setting, with the way out."""

    name: str
    fault: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """The settings in force."""

    inflight_grace: timedelta
    order_not_found_retries: int
    max_order_lookups: int
    interval: timedelta
    lock_ttl: timedelta
    fill_after_trade_grace: timedelta
    require_strong_attribution: bool
    allow_heuristic_match: bool
    client_order_id_pattern: ClientOrderIdPattern | None
    parity_enabled: bool
    parity_confirmations: int
    require_subtag_attribution: bool
    max_notional_pct: Decimal
    parity_dry_run: bool
    dust_notional_usd: Decimal
    max_auto_closes: int
    auto_resume_enabled: bool
    auto_resume_min_pause: timedelta
    auto_resume_clean_cycles: int
    auto_resume_cooldown: timedelta
    review_evidence_max_age: timedelta
    four_eyes_min_notional_usd: Decimal | None
    audit_checkpoint_dir: Path | None
    audit_signing_key_file: Path | None
    audit_public_keys_dir: Path | None

    def as_text(self) -> dict[str, str]:
        """Return every setting in force by its public name, as text (none of them is secret)."""
        return {setting.name: _as_text(getattr(self, setting.field)) for setting in SETTINGS}

    def hash(self) -> str:
        """Return the hash by which an audit event names the settings it was made under."""
        return evidence_hash(self.as_text())


class ConfigurationError(ValueError):
    """The settings cannot be used; `problems` says why, each with its name and a hint."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.name}: {p.fault} ({p.hint})" for p in problems))


def load(mapping: Mapping[str, str]) -> tuple[Conf | None, tuple[Problem, ...]]:
    """Parse the settings; the view is None when there is a problem."""
    strangers = [name for name in sorted(mapping) if _is_ours(name) and name not in BY_NAME]
    problems = [_unknown(name) for name in strangers]
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = mapping.get(setting.name, "").strip() or setting.default
        try:
            values[setting.field] = setting.parse(text)
        except InvalidValue as error:
            problems.append(
                Problem(
                    name=setting.name,
                    fault=f"{text!r} {error}",
                    hint=f"for example {setting.name}={setting.example or setting.default}",
                )
            )
    return (None if problems else Conf(**values)), tuple(problems)


def require(mapping: Mapping[str, str]) -> Conf:
    """Return the settings, or raise `ConfigurationError` with every problem."""
    conf, problems = load(mapping)
    if conf is None:
        raise ConfigurationError(problems)
    return conf


def _is_ours(name: str) -> bool:
    return name.startswith(("RECON_", "ENABLE_RECON_"))


def _unknown(name: str) -> Problem:
    near = difflib.get_close_matches(name, BY_NAME, n=1)
    hint = f"did you mean {near[0]}?" if near else "see .env.example for the settings there are"
    return Problem(name=name, fault="is no setting of the portal", hint=hint)


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise InvalidValue(f"is not a whole number from {low} to {high}")
        return int(text)

    return parse


def _duration(unit: str, low: int, high: int) -> Callable[[str], timedelta]:
    whole = _whole_number(low, high)
    return lambda text: timedelta(**{unit: whole(text)})


def _boolean(text: str) -> bool:
    words = {
        **dict.fromkeys(("true", "yes", "on", "1"), True),
        **dict.fromkeys(("false", "no", "off", "0"), False),
    }
    if text.lower() not in words:
        raise InvalidValue("is neither true nor false")
    return words[text.lower()]


def _not_negative(text: str) -> Decimal:
    try:
        amount = parse_amount(text)
    except InexactAmount as error:
        raise InvalidValue(f"cannot be used: {error}") from error
    if amount < 0:
        raise InvalidValue("is negative")
    return amount


def _not_negative_or_unset(text: str) -> Decimal | None:
    return _not_negative(text) if text else None


def _pattern(text: str) -> ClientOrderIdPattern | None:
    if not text:
        return None
    try:
        return parse_pattern(text)
    except UnusablePattern as error:
        raise InvalidValue(str(error)) from error


def _path_or_unset(text: str) -> Path | None:
    if not text:
        return None
    if not text.startswith("/"):
        # The web server and the workers need not be started in the same folder.
        raise InvalidValue("is not the whole path, from / on")
    return Path(text)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, timedelta):
        return f"{value // timedelta(milliseconds=1)} ms"
    if isinstance(value, Decimal):
        return plain(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


SETTINGS = (
    Setting(
        name="RECON_INFLIGHT_GRACE_MS",
        field="inflight_grace",
        default="5000",
        parse=_duration("milliseconds", 0, 600_000),
        meaning="Activity younger than this is left for the next cycle: it is not drift yet.",
    ),
    Setting(
        name="RECON_ORDER_NOT_FOUND_RETRIES",
        field="order_not_found_retries",
        default="5",
        parse=_whole_number(1, 1000),
        meaning="Cycles in which the exchange must not know an order before it is canceled here.",
    ),
    Setting(
        name="RECON_MAX_ORDER_LOOKUPS_PER_CYCLE",
        field="max_order_lookups",
        default="50",
        parse=_whole_number(1, 10_000),
        meaning="Orders asked for one by one in a cycle; the rest waits for the next one.",
    ),
    Setting(
        name="RECON_INTERVAL_SECONDS",
        field="interval",
        default="60",
        parse=_duration("seconds", 1, 86_400),
        meaning="How often a job runs; the loop is stalled after three of these.",
    ),
    Setting(
        name="RECON_LOCK_TTL_MS",
        field="lock_ttl",
        default="15000",
        parse=_duration("milliseconds", 1000, 600_000),
        meaning="How long the lock of a killed process keeps others from its profile.",
    ),
    Setting(
        name="RECON_EXIT_BACKFILL_FILL_AFTER_TRADE_GRACE_MINUTES",
        field="fill_after_trade_grace",
        default="5",
        parse=_duration("minutes", 0, 10_080),
        meaning="A fill may be this much older than the slice it belongs to, no more.",
    ),
    Setting(
        name="RECON_EXIT_BACKFILL_REQUIRE_STRONG_ATTRIBUTION",
        field="require_strong_attribution",
        default="true",
        parse=_boolean,
        meaning="Only fills that a client order id, a trade id or a sub tag proves are booked.",
    ),
    Setting(
        name="RECON_EXIT_BACKFILL_ALLOW_HEURISTIC_MATCH",
        field="allow_heuristic_match",
        default="false",
        parse=_boolean,
        meaning="A fill that proves nothing may be booked to the only slice that it fits.",
    ),
    Setting(
        name="RECON_CLIENT_ORDER_ID_PATTERN",
        field="client_order_id_pattern",
        default="",
        parse=_pattern,
        meaning="The bots' own scheme of client order ids, a regular expression with named groups.",
        example="(?P<sub_tag>[a-z0-9]+)-(?P<trade_id>[A-Za-z0-9]+)-(?P<purpose>ENTRY|EXIT)",
    ),
    Setting(
        name="ENABLE_RECON_POSITION_PARITY_HEARTBEAT",
        field="parity_enabled",
        default="true",
        parse=_boolean,
        meaning="Positions are compared with the slices; off only for a controlled rollback.",
    ),
    Setting(
        name="RECON_POSITION_PARITY_CONFIRMATIONS",
        field="parity_confirmations",
        default="3",
        parse=_whole_number(1, 1000),
        meaning="Consecutive heartbeats that must find the same before anything is done about it.",
    ),
    Setting(
        name="RECON_POSITION_PARITY_REQUIRE_SUBTAG_ATTRIBUTION",
        field="require_subtag_attribution",
        default="true",
        parse=_boolean,
        meaning="Only a slice whose entry proves its profile is closed without a fill.",
    ),
    Setting(
        name="RECON_POSITION_PARITY_MAX_NOTIONAL_PCT",
        field="max_notional_pct",
        default="0.5",
        parse=_not_negative,
        meaning="A profile pauses when its mismatches exceed this ratio of its allocated capital.",
    ),
    Setting(
        name="RECON_POSITION_PARITY_DRY_RUN",
        field="parity_dry_run",
        default="false",
        parse=_boolean,
        meaning="The heartbeat says what it would do, and neither closes nor quarantines.",
    ),
    Setting(
        name="RECON_POSITION_DUST_NOTIONAL_USD",
        field="dust_notional_usd",
        default="5",
        parse=_not_negative,
        meaning="A quantity worth less than this, in USD, counts as none.",
    ),
    Setting(
        name="RECON_POSITION_PARITY_MAX_AUTO_CLOSES",
        field="max_auto_closes",
        default="5",
        parse=_whole_number(0, 10_000),
        meaning="With more ghosts than this to close at once, all of them wait for a person.",
    ),
    Setting(
        name="ENABLE_RECON_WATCHDOG_AUTO_RESUME",
        field="auto_resume_enabled",
        default="true",
        parse=_boolean,
        meaning="A pause of the watchdog ends by itself once its conditions are met.",
    ),
    Setting(
        name="RECON_WATCHDOG_AUTO_RESUME_MIN_PAUSE_MS",
        field="auto_resume_min_pause",
        default="900000",
        parse=_duration("milliseconds", 0, 604_800_000),
        meaning="A pause of the watchdog lasts at least this long.",
    ),
    Setting(
        name="RECON_WATCHDOG_AUTO_RESUME_CLEAN_CYCLES",
        field="auto_resume_clean_cycles",
        default="2",
        parse=_whole_number(1, 1000),
        meaning="Consecutive clean heartbeats before a pause of the watchdog ends by itself.",
    ),
    Setting(
        name="RECON_WATCHDOG_AUTO_RESUME_COOLDOWN_MS",
        field="auto_resume_cooldown",
        default="1800000",
        parse=_duration("milliseconds", 0, 604_800_000),
        meaning="At least this long between two resumes of one profile by themselves.",
    ),
    Setting(
        name="RECON_REVIEW_EVIDENCE_MAX_AGE_MINUTES",
        field="review_evidence_max_age",
        default="15",
        parse=_duration("minutes", 1, 10_080),
        meaning="Evidence that no complete run saw for this long is refreshed before approval.",
    ),
    Setting(
        name="RECON_FOUR_EYES_MIN_NOTIONAL_USD",
        field="four_eyes_min_notional_usd",
        default="",
        parse=_not_negative_or_unset,
        meaning="From this notional on, two people decide; unset: never.",
        example="50000",
    ),
    Setting(
        name="RECON_AUDIT_CHECKPOINT_DIR",
        field="audit_checkpoint_dir",
        default="",
        parse=_path_or_unset,
        meaning="Where signed checkpoints of the audit chain are written; unset: none are.",
        example="/srv/recon-checkpoints",
    ),
    Setting(
        name="RECON_AUDIT_SIGNING_KEY_FILE",
        field="audit_signing_key_file",
        default="",
        parse=_path_or_unset,
        meaning="The private key that signs checkpoints and exports; unset: neither is signed.",
        example="/etc/recon/audit-signing-key.pem",
    ),
    Setting(
        name="RECON_AUDIT_PUBLIC_KEYS_DIR",
        field="audit_public_keys_dir",
        default="",
        parse=_path_or_unset,
        meaning="Public keys, old ones too, that checkpoints are checked with.",
        example="/etc/recon/audit-public-keys",
    ),
)
BY_NAME = {setting.name: setting for setting in SETTINGS}
