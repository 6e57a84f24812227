"""Each account has one gateway in a process, made from the environment when it is first needed."""

import pytest

from reconciliation.cycles.gateways import AccountGateways
from reconciliation.exchange.gateway import CredentialsRejected, PermanentExchangeError
from tests.builders import FixedClock, make_account

pytestmark = pytest.mark.django_db
KEYS = {
    "MAIN_API_KEY": "an-api-key-1",
    "MAIN_SECRET": "a-secret-text-1",
    "MAIN_PASSWORD": "a-pass-phrase-1",
}
OTHERS = {name.replace("MAIN", "OTHER"): f"other-{value}" for name, value in KEYS.items()}


def gateways(**environ: str) -> AccountGateways:
    return AccountGateways(clock=FixedClock(), environ={**KEYS, **environ})


def test_an_account_keeps_its_gateway_and_another_account_has_its_own():
    made = gateways(**OTHERS)
    main, other = make_account(), make_account("other")
    assert made.of(main) is made.of(main)
    assert made.of(main) is not made.of(other)


def test_after_closing_an_account_gets_a_new_one():
    made = gateways()
    first = made.of(make_account())
    made.close()
    assert made.of(make_account()) is not first


@pytest.mark.parametrize("missing", KEYS)
def test_a_missing_credential_names_its_variable_and_shows_none_of_the_others(missing):
    with pytest.raises(CredentialsRejected) as raised:
        gateways(**{missing: ""}).of(make_account())
    assert missing in str(raised.value)
    assert not [value for value in KEYS.values() if value in str(raised.value)]


def test_an_address_that_is_none_names_its_variable():
    with pytest.raises(PermanentExchangeError, match="MAIN_BASE_URL"):
        gateways(MAIN_BASE_URL="ftp://x").of(make_account())


def test_what_failed_once_is_tried_again():
    environ = dict(KEYS, MAIN_SECRET="")
    made = AccountGateways(clock=FixedClock(), environ=environ)
    with pytest.raises(CredentialsRejected):
        made.of(make_account())
    environ |= KEYS
    assert made.of(make_account())
