"""What an exchange or a bot wrote is shown, never obeyed."""

import pytest
from django.apps import apps
from django.db.models import Model

from reconciliation.admin import display
from reconciliation.domain.audit import EventDraft
from reconciliation.enums import RunStatus
from reconciliation.models import AuditEvent
from tests import builders
from tests.admin.pages import Console, Page, list_address, object_address
from tests.admin.story import seal, tell

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"
QUOTED = "\"'><img src=x onerror=alert(1)>"
SHOWN = "&lt;script&gt;alert(1)&lt;/script&gt;"
MODELS = list(apps.get_app_config("reconciliation").get_models())


@pytest.fixture
def hostile(console: Console) -> list[Model]:
    """Return rows whose every text that somebody else wrote is an attack."""
    profile = builders.make_profile(sub_tag=EVIL)
    trade = builders.make_trade(
        profile, trade_id=EVIL, symbol=EVIL, sub_tag=QUOTED, entry_quantity="5"
    )
    order = builders.make_order(
        trade, client_order_id=EVIL, exchange_order_id=QUOTED, sub_tag=EVIL, end_reason=EVIL
    )
    run = builders.make_run(
        status=RunStatus.FAILED,
        error=f"{EVIL}\n{QUOTED}",
        unread={EVIL: QUOTED, "positions": EVIL},
        counts={EVIL: EVIL},
        step_ms={EVIL: 1},
        row_errors=[{EVIL: QUOTED}, EVIL],
        skipped_profiles=[EVIL],
    )
    fill = builders.make_fill(
        exchange_fill_id=EVIL,
        symbol=EVIL,
        exchange_order_id=QUOTED,
        client_order_id=EVIL,
        sub_tag=QUOTED,
        trade_hint=EVIL,
        fee_currency="<b>",
        raw=f'{{"{EVIL}": "</pre>{EVIL}"}}',
        run=run,
    )
    history = builders.make_history(
        trade, order=order, run=run, exchange_fill_id=EVIL, fee_currency="<b>"
    )
    mismatch = builders.make_mismatch(
        run,
        trade=trade,
        order=order,
        symbol=EVIL,
        key=QUOTED,
        resolution=EVIL,
        database_side={EVIL: EVIL, "nested": {QUOTED: [EVIL]}},
        exchange_side={EVIL: QUOTED, "order": {EVIL: 1}},
    )
    seal(
        run,
        EventDraft(
            action=EVIL,
            object_type="order",
            object_id=EVIL,
            reason_code=EVIL,
            comment=QUOTED,
            before={EVIL: QUOTED},
            after={EVIL: EVIL},
        ),
        EventDraft(action="x", object_type=EVIL, object_id=str(order.pk)),
    )
    return [
        profile,
        trade,
        order,
        run,
        fill,
        history,
        mismatch,
        builders.make_allocation(fill, history),
        builders.make_sighting(mismatch),
        builders.make_position(profile, symbol=EVIL),
        *AuditEvent.objects.all(),
    ]


def harmless(page: Page) -> None:
    assert "<script>alert" not in page.html
    assert "<img src=x" not in page.html
    assert page.inline_code == []
    for tag, attributes in page.elements:
        assert "style" not in attributes, tag
        assert not any(name.startswith("on") for name in attributes), tag
        assert not (attributes.get("href") or "").lower().startswith("javascript:")


def test_object_pages_escape_what_others_wrote(console: Console, hostile: list[Model]):
    for row in hostile:
        page = console.page_of(row)
        harmless(page)
        assert SHOWN in page.html, object_address(row)


def test_lists_escape_what_others_wrote(console: Console, hostile: list[Model]):
    for model in MODELS:
        harmless(console.list_of(model))
        harmless(console.list_of(model, q=EVIL))


def test_addresses_of_links_escape_what_others_wrote(console: Console, hostile: list[Model]):
    harmless(console.open(f"{list_address(AuditEvent)}?object_type__exact=%3Cscript%3Ealert(1)"))
    harmless(console.open(f"{list_address(AuditEvent)}?action__exact={QUOTED}"))


def test_pages_run_under_a_policy_without_inline_code(console: Console):
    tell()
    for model in MODELS:
        harmless(console.list_of(model))
        row = model._default_manager.first()
        assert row is not None
        harmless(console.page_of(row))


def test_text_that_cannot_be_seen_is_spelled_out(console: Console):
    fill = builders.make_fill(sub_tag="ab\u202ecd\u200b\r\n\x1b[0m")
    assert console.page_of(fill).section("Fill").fact("Sub tag") == (
        r"ab\u202ecd\u200b\u000d\u000a\u001b[0m"
    )


def test_a_text_that_is_not_json_is_shown_as_it_is(console: Console):
    fill = builders.make_fill(raw="<html>502 Bad Gateway</html>")
    block = console.page_of(fill).section("As the exchange showed it")
    assert "<html>502 Bad Gateway</html>" in block.text


def test_json_that_is_nested_too_deeply_is_shown_as_it_is(console: Console):
    fill = builders.make_fill(raw="[" * 5_000 + "]" * 5_000)
    assert "[[[[" in console.page_of(fill).section("As the exchange showed it").text


def test_a_very_long_text_is_cut_and_says_so(console: Console):
    run = builders.make_run(status=RunStatus.FAILED, error="x" * (display.BLOCK_LIMIT + 5))
    section = console.page_of(run).section("Error")
    assert "The first 50,000 of 50,005 characters." in section.text
    assert len(section.text) < display.BLOCK_LIMIT + 100
