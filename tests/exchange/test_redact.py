"""No secret survives in a text, in whatever spelling an exchange sends it back."""

import json
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.exchange.redact import MAX_LENGTH, REDACTED, Redactor

SECRET = 'se"cret/+== ü'
URL = "https://api.example.com/v1/order?symbol=BTC&timestamp=1&signature=abc123def"


@pytest.mark.parametrize(
    "spelling", [SECRET, json.dumps(SECRET)[1:-1], quote_plus(SECRET)], ids=["plain", "json", "url"]
)
def test_a_secret_is_removed_in_every_spelling(spelling: str) -> None:
    text = Redactor([SECRET])(f"before {spelling} after")

    assert text == f"before {REDACTED} after"


@settings(deadline=None)
@given(st.text(min_size=6), st.text(), st.text())
def test_a_secret_never_survives(secret: str, before: str, after: str) -> None:
    # A secret that the mark itself spells cannot be told from it.
    if secret in REDACTED or " ".join(secret.split()) in f" {REDACTED} ":
        return
    text = Redactor([secret])(f"{before}{secret}{after}")

    assert secret not in text.replace(REDACTED, "\0")


@pytest.mark.parametrize("short", ["e", "ok", "error"])
def test_what_is_too_short_for_a_secret_does_not_shred_words(short: str) -> None:
    redact = Redactor([short])
    redact.remember_request(f"{URL}&tokenType={short}", {"OK-ACCESS-KEY": short})

    assert redact("okx answers with an error") == "okx answers with an error"


def test_the_query_of_a_url_is_removed() -> None:
    text = Redactor([])(f"okx GET {URL} 500 Internal Server Error")

    assert text == "okx GET https://api.example.com/v1/order?… 500 Internal Server Error"


def test_the_query_of_a_path_is_removed() -> None:
    assert Redactor([])("/api/v5/trade/order?ordId=1&sign=x failed") == (
        "/api/v5/trade/order?… failed"
    )


def test_a_question_is_not_a_query() -> None:
    assert Redactor([])("did you mean okx? or bybit") == "did you mean okx? or bybit"


@pytest.mark.parametrize(
    "text",
    [
        "signature=abc123def",
        '{"apiKey": "abc123def"}',
        "OK-ACCESS-SIGN: abc123def",
        "X-MBX-APIKEY: abc123def",
        "passphrase = 'abc123def'",
    ],
)
def test_a_named_secret_is_removed_even_where_it_is_not_known(text: str) -> None:
    assert "abc123def" not in Redactor([])(text)


def test_what_an_exchange_says_stays_readable() -> None:
    text = 'okx {"msg":"Request header OK-ACCESS-PASSPHRASE incorrect.","code":"50105"}'

    assert Redactor([SECRET])(text) == text


def test_the_signature_of_the_last_request_is_removed() -> None:
    redact = Redactor([])
    redact.remember_request(URL, {"OK-ACCESS-SIGN": "bm90IGEgc2lnbg==", "Accept": "text/html"})

    text = redact("you sent bm90IGEgc2lnbg== and abc123def as text/html")

    assert text == f"you sent {REDACTED} and {REDACTED} as text/html"


def test_a_text_is_one_line_of_limited_length() -> None:
    text = Redactor([])("a\n  b\t" + "c" * 1000)

    assert text.startswith("a b c")
    assert len(text) == MAX_LENGTH


def test_a_secret_that_is_cut_by_the_limit_is_removed_before_it_is_cut() -> None:
    text = Redactor([SECRET])("x" * (MAX_LENGTH - 5) + SECRET)

    assert 'se"c' not in text


def test_a_redactor_does_not_show_what_it_knows() -> None:
    assert SECRET not in repr(Redactor([SECRET]))
