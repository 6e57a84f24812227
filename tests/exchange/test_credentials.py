"""Credentials come from the environment or files; errors name the variable and show no value."""

import os
from pathlib import Path

import pytest

from reconciliation.exchange.ccxt_gateway import demanded_credentials
from reconciliation.exchange.credentials import Credentials, load_base_url, load_credentials
from reconciliation.exchange.gateway import CredentialsRejected, PermanentExchangeError

ENVIRON = {"MAIN_API_KEY": "key-value", "MAIN_SECRET": "secret-value", "MAIN_PASSWORD": "pw-value"}


def test_credentials_are_read_from_the_environment() -> None:
    credentials = load_credentials("MAIN", ENVIRON)

    assert (credentials.api_key, credentials.secret, credentials.password) == (
        "key-value",
        "secret-value",
        "pw-value",
    )


def test_only_what_an_exchange_demands_is_read() -> None:
    environ = {"MAIN_API_KEY": "key-value", "MAIN_SECRET": "secret-value"}
    demanded = demanded_credentials("bybit")

    credentials = load_credentials("MAIN", environ, demanded=demanded)

    assert credentials.values() == ("key-value", "secret-value")
    assert demanded_credentials("okx") - demanded == {"_PASSWORD"}
    with pytest.raises(CredentialsRejected, match="MAIN_PASSWORD is not set"):
        load_credentials("MAIN", environ, demanded=demanded_credentials("okx"))


def test_an_exchange_that_demands_what_there_is_no_setting_for_is_refused() -> None:
    with pytest.raises(PermanentExchangeError, match=r"hyperliquid demands .*walletAddress"):
        demanded_credentials("hyperliquid")
    with pytest.raises(PermanentExchangeError, match="'bybitt': did you mean bybit"):
        demanded_credentials("bybitt")


def test_a_value_is_read_from_a_file_without_its_newline(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(" value with spaces \r\n")
    environ = {**ENVIRON, "MAIN_SECRET": "", "MAIN_SECRET_FILE": str(path)}

    assert load_credentials("MAIN", environ).secret == " value with spaces "


@pytest.mark.parametrize("name", ENVIRON)
@pytest.mark.parametrize("value", [None, ""])
def test_a_missing_value_is_named_with_the_way_out(name: str, value: str | None) -> None:
    environ = {key: each for key, each in ENVIRON.items() if key != name}
    if value is not None:
        environ[name] = value

    with pytest.raises(CredentialsRejected) as caught:
        load_credentials("MAIN", environ)

    assert name in str(caught.value)
    assert f"{name}_FILE" in str(caught.value)
    assert not any(each in str(caught.value) for each in ENVIRON.values())


def test_a_value_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialsRejected, match="MAIN_SECRET and MAIN_SECRET_FILE"):
        load_credentials("MAIN", {**ENVIRON, "MAIN_SECRET_FILE": str(tmp_path)})


@pytest.mark.parametrize("name", ENVIRON)
def test_a_value_that_could_not_be_kept_out_of_messages_is_refused(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "secret"
    path.write_text("q!w2e\n")

    with pytest.raises(CredentialsRejected, match=f"^{name} holds fewer than 6 ") as caught:
        load_credentials("MAIN", {**ENVIRON, name: "q!w2e"})
    with pytest.raises(CredentialsRejected, match=f"^{name}_FILE holds fewer than 6 "):
        load_credentials("MAIN", {**ENVIRON, name: "", f"{name}_FILE": str(path)})

    assert "q!w2e" not in str(caught.value)
    assert load_credentials("MAIN", {**ENVIRON, name: "q!w2e3"})


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_used_is_named_by_its_variable(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "very-telling-name"
    if content is not None:
        path.write_bytes(content)
    environ = {**ENVIRON, "MAIN_SECRET": "", "MAIN_SECRET_FILE": str(path)}

    with pytest.raises(CredentialsRejected, match="MAIN_SECRET_FILE") as caught:
        load_credentials("MAIN", environ)

    assert "very-telling-name" not in str(caught.value)


def test_credentials_do_not_show_themselves() -> None:
    shown = repr(load_credentials("MAIN", ENVIRON))

    assert shown == "Credentials(prefix='MAIN')"
    assert not any(value in shown for value in ENVIRON.values())


def test_credentials_cannot_be_changed() -> None:
    credentials = Credentials(api_key="a", secret="b", password="c")

    with pytest.raises(AttributeError):
        credentials.secret = "d"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (None, None),
        ("", None),
        (" http://127.0.0.1:8877/main/ ", "http://127.0.0.1:8877/main"),
        ("https://eea.okx.com", "https://eea.okx.com"),
    ],
)
def test_an_address_is_optional(given: str | None, address: str | None) -> None:
    environ = {} if given is None else {"MAIN_BASE_URL": given}

    assert load_base_url("MAIN", environ) == address


@pytest.mark.parametrize(
    "given",
    [
        "okx.com",
        "ftp://okx.com",
        "https://",
        "https://okx.com?key=1",
        "https://user:word@okx.com",
        "http://[::1",
    ],
)
def test_an_address_that_is_none_is_named_and_not_shown(given: str) -> None:
    with pytest.raises(PermanentExchangeError, match="MAIN_BASE_URL") as caught:
        load_base_url("MAIN", {"MAIN_BASE_URL": given})

    assert given not in str(caught.value).replace("https://host", "")


def test_the_process_environment_will_do() -> None:
    assert load_base_url("NO_SUCH_PREFIX", os.environ) is None
