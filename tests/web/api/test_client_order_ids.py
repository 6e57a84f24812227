"""The id that a bot may ask for is the one that it could build: the documented vectors."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from reconciliation.domain.keys import profile_code, trade_code
from reconciliation.models import AuditEvent, Profile
from tests.builders import arranging, make_profile
from tests.web.api.bots import Bot, errors_of, make_bot

pytestmark = pytest.mark.django_db
DOCUMENT = Path(__file__).parents[3] / "docs" / "client-order-ids.md"
T1 = {"trade_id": "T1", "purpose": "ENTRY"}


def vectors() -> Iterator[tuple[str, str, str, str, str]]:
    """Yield the documented vectors: sub tag, trade id, purpose, sequence, id."""
    row = re.compile(r"\| `(.+)` \| `(.+)` \| (ENTRY|EXIT) \| (\d+) \| `(\w{32})` \|")
    for line in DOCUMENT.read_text(encoding="utf-8").splitlines():
        if match := row.match(line):
            yield match[1], match[2], match[3], match[4], match[5]


def ask(bot: Bot, **query: object) -> Any:
    return bot.ask(f"/client-order-id?{urlencode(query)}")


def test_there_are_vectors():
    assert len(list(vectors())) >= 5


@pytest.mark.parametrize("vector", list(vectors()), ids=lambda vector: vector[4])
def test_a_documented_vector_is_what_is_answered(vector):
    sub_tag, trade_id, purpose, sequence, expected = vector
    bot = make_bot()
    with arranging():
        Profile.objects.update(sub_tag=sub_tag)
    said = {"trade_id": trade_id, "purpose": purpose, "sequence": sequence}
    by_tag = ask(bot, sub_tag=sub_tag, **said)
    assert by_tag.status_code == 200, by_tag.content
    assert json.loads(by_tag.content) == {
        "client_order_id": expected,
        "sub_tag": sub_tag,
        "trade_id": trade_id,
        "purpose": purpose,
        "sequence": int(sequence),
        "profile_code": profile_code(sub_tag),
        "trade_code": trade_code(sub_tag, trade_id),
    }
    assert ask(bot, profile="alpha", **said).content == by_tag.content


def test_the_first_order_is_meant_where_no_sequence_is_given():
    bot = make_bot()
    assert ask(bot, profile="alpha", **T1).content == (
        ask(bot, profile="alpha", sequence=1, **T1).content
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({**T1, "profile": "alpha", "sequence": 0}, "sequence"),
        ({**T1, "profile": "alpha", "sequence": 46656}, "sequence"),
        ({**T1, "profile": "alpha", "sequence": "first"}, "sequence"),
        ({"profile": "alpha", "purpose": "ENTRY"}, "trade_id"),
        ({**T1, "profile": "alpha", "trade_id": ""}, "trade_id"),
        ({**T1, "profile": "alpha", "trade_id": "T" * 65}, "trade_id"),
        ({**T1, "profile": "alpha", "purpose": "STOP"}, "purpose"),
    ],
)
def test_a_question_that_cannot_be_answered_names_the_field(query, field):
    ((named, reason),) = errors_of(ask(make_bot(), **query), 422)
    assert named.endswith(field)
    assert reason


@pytest.mark.parametrize("query", [{"profile": "beta"}, {"sub_tag": "beta01"}, {"sub_tag": "x"}])
def test_a_profile_that_is_not_the_keys_is_denied_known_or_not_and_that_is_audited(query):
    bot = make_bot()
    make_profile("beta", sub_tag="beta01")
    ((_, reason),) = errors_of(ask(bot, **T1, **query), 403)
    assert "beta" not in reason
    assert AuditEvent.objects.filter(outcome="denied").count() == 1


def test_a_key_of_one_profile_need_not_name_it_and_one_of_several_must():
    bot = make_bot()
    expected = ask(bot, profile="alpha", **T1).content
    assert ask(bot, **T1).content == expected
    assert ask(bot, profile="alpha", sub_tag="alpha01", **T1).content == expected
    both = make_bot("alpha", "beta", name="both")
    ((field, reason),) = errors_of(ask(both, **T1), 422)
    assert field == "profile"
    assert "alpha, beta" in reason
    ((field, _),) = errors_of(ask(both, profile="alpha", sub_tag="nobodys", **T1), 403)
    assert field == "sub_tag"
