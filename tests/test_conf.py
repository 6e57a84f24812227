"""Every setting parses, and what does not says so with its name, the fault and an example."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation import conf
from reconciliation.conf import BY_NAME, SETTINGS, ConfigurationError, InvalidValue
from reconciliation.domain.id_patterns import parse_pattern

every_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)

SCHEME = "(?P<sub_tag>[a-z0-9]+)-(?P<trade_id>T[0-9]+)-(?P<purpose>ENTRY|EXIT)"
# Of each setting: a text that is taken, what it becomes, and texts that are refused.
SAMPLES: dict[str, tuple[str, object, list[str]]] = {
    "RECON_INFLIGHT_GRACE_MS": ("0", timedelta(0), ["-1", "5s", "600001", "1.0"]),
    "RECON_ORDER_NOT_FOUND_RETRIES": ("1", 1, ["0", "1001", "-5", "five", "5.0"]),
    "RECON_MAX_ORDER_LOOKUPS_PER_CYCLE": ("10000", 10_000, ["0", "10001", "all"]),
    "RECON_INTERVAL_SECONDS": ("1", timedelta(seconds=1), ["0", "86401", "1m", "0.5"]),
    "RECON_LOCK_TTL_MS": ("600000", timedelta(minutes=10), ["999", "600001", "15s"]),
    "RECON_EXIT_BACKFILL_FILL_AFTER_TRADE_GRACE_MINUTES": (
        "10080",
        timedelta(days=7),
        ["-1", "10081", "5 minutes"],
    ),
    "RECON_EXIT_BACKFILL_REQUIRE_STRONG_ATTRIBUTION": ("false", False, ["2", "maybe"]),
    "RECON_EXIT_BACKFILL_ALLOW_HEURISTIC_MATCH": ("on", True, ["allow", "10"]),
    "ENABLE_RECON_POSITION_PARITY_HEARTBEAT": ("no", False, ["none", "2"]),
    "RECON_POSITION_PARITY_CONFIRMATIONS": ("1", 1, ["0", "1001", "three", "2.0"]),
    "RECON_POSITION_PARITY_REQUIRE_SUBTAG_ATTRIBUTION": ("0", False, ["-1", "never"]),
    "RECON_POSITION_PARITY_MAX_NOTIONAL_PCT": ("0.25", Decimal("0.25"), ["-0.5", "50%", "nan"]),
    "RECON_POSITION_PARITY_DRY_RUN": ("yes", True, ["dry", "2"]),
    "RECON_POSITION_DUST_NOTIONAL_USD": ("0", Decimal(0), ["-1", "$5", "Infinity"]),
    "RECON_POSITION_PARITY_MAX_AUTO_CLOSES": ("0", 0, ["-1", "10001", "all"]),
    "ENABLE_RECON_WATCHDOG_AUTO_RESUME": ("off", False, ["later", "2"]),
    "RECON_WATCHDOG_AUTO_RESUME_MIN_PAUSE_MS": (
        "604800000",
        timedelta(days=7),
        ["-1", "604800001", "15m"],
    ),
    "RECON_WATCHDOG_AUTO_RESUME_CLEAN_CYCLES": ("1", 1, ["0", "1001", "two"]),
    "RECON_WATCHDOG_AUTO_RESUME_COOLDOWN_MS": ("0", timedelta(0), ["-1", "604800001", "0.5"]),
    "RECON_REVIEW_EVIDENCE_MAX_AGE_MINUTES": (
        "1",
        timedelta(minutes=1),
        ["0", "10081", "15 minutes"],
    ),
    "RECON_FOUR_EYES_MIN_NOTIONAL_USD": (
        "50000.5",
        Decimal("50000.5"),
        ["-1", "off", "1e400", "0.0000000000000000001"],
    ),
    "RECON_AUDIT_CHECKPOINT_DIR": ("/srv/checks", Path("/srv/checks"), ["var/checks", "~/x"]),
    "RECON_AUDIT_SIGNING_KEY_FILE": ("/etc/key.pem", Path("/etc/key.pem"), ["key.pem"]),
    "RECON_AUDIT_PUBLIC_KEYS_DIR": ("/etc/keys", Path("/etc/keys"), ["./keys"]),
    "RECON_CLIENT_ORDER_ID_PATTERN": (
        SCHEME,
        parse_pattern(SCHEME),
        ["(?P<trade_id>", "T[0-9]+", "(?P<order>.+)", "(?P<purpose>E|X)", "(?P<trade_id>(a+)+)"],
    ),
}


def parsed(**mapping: str) -> conf.Conf:
    return conf.require(mapping)


def problems(**mapping: str) -> tuple[conf.Problem, ...]:
    view, found = conf.load(mapping)
    assert (view is None) == bool(found)
    return found


def test_every_setting_has_a_sample_here():
    assert sorted(SAMPLES) == sorted(BY_NAME)


def test_without_any_setting_the_defaults_hold():
    assert parsed() == parsed(**{setting.name: setting.default for setting in SETTINGS})


@every_setting
def test_a_default_is_a_text_that_parses(setting):
    assert getattr(parsed(), setting.field) == setting.parse(setting.default)


@every_setting
def test_a_text_becomes_what_it_means(setting):
    text, value, _ = SAMPLES[setting.name]
    assert getattr(parsed(**{setting.name: text}), setting.field) == value
    assert getattr(parsed(**{setting.name: f"  {text} \n"}), setting.field) == value


@every_setting
@pytest.mark.parametrize("text", ["", "   "], ids=["empty", "blank"])
def test_an_empty_text_is_the_default(setting, text):
    assert parsed(**{setting.name: text}) == parsed()


@every_setting
def test_a_text_that_cannot_be_used_names_the_setting_the_fault_and_an_example(setting):
    for text in SAMPLES[setting.name][2]:
        (problem,) = problems(**{setting.name: text})
        assert problem.name == setting.name
        assert repr(text) in problem.fault
        assert f"{setting.name}={setting.default}" in problem.hint


@every_setting
def test_a_setting_says_what_it_means(setting):
    assert setting.meaning.endswith(".")
    assert setting.name.startswith(("RECON_", "ENABLE_RECON_"))


def test_the_table_names_every_field_once():
    fields = [setting.field for setting in SETTINGS]
    assert sorted(fields) == sorted(conf.Conf.__dataclass_fields__)
    assert len(set(BY_NAME)) == len(SETTINGS)


def test_every_problem_is_found_not_only_the_first():
    found = problems(
        RECON_LOCK_TTL_MS="x", RECON_INTERVAL_SECONDS="y", RECON_TYPO="1", ENABLE_RECON_TYPO="1"
    )
    assert sorted(problem.name for problem in found) == [
        "ENABLE_RECON_TYPO",
        "RECON_INTERVAL_SECONDS",
        "RECON_LOCK_TTL_MS",
        "RECON_TYPO",
    ]


@pytest.mark.parametrize(
    ("typo", "meant"),
    [
        ("RECON_LOCK_TTL", "RECON_LOCK_TTL_MS"),
        ("RECON_INFLIGHT_GRACE", "RECON_INFLIGHT_GRACE_MS"),
        ("RECON_ORDER_NOTFOUND_RETRIES", "RECON_ORDER_NOT_FOUND_RETRIES"),
    ],
)
def test_a_name_that_is_almost_a_setting_gets_a_hint(typo, meant):
    (problem,) = problems(**{typo: "1"})
    assert problem.name == typo
    assert problem.hint == f"did you mean {meant}?"


def test_a_name_that_is_nothing_like_a_setting_is_a_problem_too():
    (problem,) = problems(RECON_XYZZY="1")
    assert "no setting" in problem.fault
    assert ".env.example" in problem.hint


def test_names_of_others_are_nobodys_business():
    assert problems(PATH="/bin", RECONCILE="1", MAIN_API_KEY="x", recon_lock_ttl_ms="x") == ()


def test_require_raises_with_every_problem():
    with pytest.raises(ConfigurationError) as raised:
        conf.require({"RECON_LOCK_TTL_MS": "x", "RECON_TYPO": "1"})
    assert [problem.name for problem in raised.value.problems] == [
        "RECON_TYPO",
        "RECON_LOCK_TTL_MS",
    ]
    assert "RECON_LOCK_TTL_MS=15000" in str(raised.value)


def test_the_hash_names_the_settings_in_force():
    assert parsed().hash() == parsed(RECON_LOCK_TTL_MS="15000").hash()
    changed = {parsed(**{name: text}).hash() for name, (text, _, _) in SAMPLES.items()}
    assert len(changed | {parsed().hash()}) == len(SAMPLES) + 1


@every_setting
def test_the_view_as_text_shows_every_setting_in_force(setting):
    shown = parsed(**{setting.name: SAMPLES[setting.name][0]}).as_text()
    assert sorted(shown) == sorted(BY_NAME)
    assert shown[setting.name] != parsed().as_text()[setting.name]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, True) for word in ("true", "TRUE", "1", "yes", "On")],
        *[(word, False) for word in ("false", "No", "0", "off")],
    ],
)
def test_a_yes_or_no_is_read_in_its_usual_words(text, value):
    assert conf._boolean(text) is value


@pytest.mark.parametrize("text", ["2", "enable", "maybe", ""])
def test_any_other_word_is_no_yes_and_no_no(text):
    with pytest.raises(InvalidValue):
        conf._boolean(text)


@pytest.mark.parametrize("text", ["-0.1", "x", "nan", "Infinity", "0.0000000000000000001"])
def test_an_amount_is_exact_and_not_negative(text):
    with pytest.raises(InvalidValue):
        conf._not_negative(text)


def test_the_example_file_has_every_setting_with_its_default():
    lines = (Path(__file__).parents[1] / ".env.example").read_text().splitlines()
    shown = {line.lstrip("# ").strip() for line in lines}
    assert {f"{setting.name}={setting.default}" for setting in SETTINGS} <= shown


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("(?P<trade_id>", "is no regular expression"),
        ("T[0-9]+", "names nobody"),
        ("(?P<purpose>E|X)", "names nobody"),
        ("(?P<trade>.+)", "has the group 'trade'"),
        ("(?P<trade_id>(?:a+)+)", "repeats a group"),
    ],
)
def test_a_scheme_of_client_order_ids_that_cannot_serve_says_why_and_shows_one_that_can(
    text, fault
):
    (problem,) = problems(RECON_CLIENT_ORDER_ID_PATTERN=text)
    assert fault in problem.fault
    example = problem.hint.partition("RECON_CLIENT_ORDER_ID_PATTERN=")[2]
    assert parsed(RECON_CLIENT_ORDER_ID_PATTERN=example).client_order_id_pattern is not None
