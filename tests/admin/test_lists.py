"""Lists: exact search, filters, a count that ends, and what an empty list means."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from reconciliation.admin import paginator
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.columns import Column
from reconciliation.enums import OrderStatus
from reconciliation.models import (
    ApiKey,
    AuditEvent,
    AuditHead,
    BackfillCandidate,
    ExternalOrder,
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    OrderLeg,
    Profile,
    ReviewItem,
    Run,
    Trade,
    TradeHistory,
)
from tests import builders
from tests.admin.pages import Console, column, list_address, result_rows
from tests.admin.story import Story, tell
from tests.builders import NOW

pytestmark = pytest.mark.django_db

# The list of audit events is the console's explorer, which has tests of its own.
MODELS = [
    model for model in apps.get_app_config("reconciliation").get_models() if model is not AuditEvent
]


def admin_of(model: type[models.Model]) -> ReadOnlyAdmin[models.Model]:
    found = admin.site._registry[model]
    assert isinstance(found, ReadOnlyAdmin)
    return found


@pytest.mark.parametrize(
    ("model", "term"),
    [
        (Order, "client-1"),
        (Order, "exchange-1"),
        (Order, "trade-1"),
        (Trade, "trade-1"),
        (Fill, "fill-1"),
        (Fill, "exchange-1"),
        (Fill, "client-1"),
        (TradeHistory, "fill-1"),
        (TradeHistory, "trade-1"),
        (FillAllocation, "fill-1"),
        (FillAllocation, "trade-1"),
        (Mismatch, "client-1"),
        (Mismatch, "exchange-1"),
        (Mismatch, "trade-1"),
        (OrderLeg, "leg-1"),
        (OrderLeg, "client-1"),
        (ExternalOrder, "external-1"),
        (ReviewItem, "trade-1"),
        (ReviewItem, "fill-1"),
        (BackfillCandidate, "trade-1"),
        (BackfillCandidate, "fill-1"),
        (Profile, "profile1"),
        (Profile, "profile101"),
        (ApiKey, "key-1"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_search_finds_the_one_row_with_exactly_that_id(
    console: Console, model: type[models.Model], term: str
):
    for number in (1, 10, 11):
        tell(number, apart=True)
    assert len(result_rows(console.list_of(model, q=f"  {term} "))) == 1
    assert result_rows(console.list_of(model, q=term[:-1] + "%")) == []


@pytest.mark.parametrize("term", ["nothing", "9" * 400, "٣", "' OR 1=1 --", "%", "-"])
def test_a_search_for_nonsense_finds_nothing_and_breaks_nothing(
    console: Console, story: Story, term: str
):
    for model in MODELS:
        if admin_of(model).search_by:
            page = console.list_of(model, q=term)
            assert result_rows(page) == []
            assert "matches the search and the filters." in page.main.text


def test_a_search_for_a_null_character_is_told_to_be_wrong(console: Console, story: Story):
    for model in MODELS:
        assert "Null characters are not allowed." in console.list_of(model, q="\x00").main.text


def test_the_search_box_says_what_it_searches_and_keeps_the_filters(console: Console, story: Story):
    page = console.list_of(Order, status__exact="FILLED")
    assert "A whole client order id, exchange order id or trade id." in page.main.text
    hidden = [
        attributes
        for tag, attributes in page.elements
        if tag == "input" and attributes.get("name") == "status__exact"
    ]
    assert [attributes["value"] for attributes in hidden] == ["FILLED"]


@pytest.mark.parametrize(
    ("booked", "found"),
    [
        ("no", {"none"}),
        ("part", {"part"}),
        ("all", {"fill-1"}),
        ("nonsense", {"none", "part", "fill-1"}),
    ],
)
def test_fills_are_filtered_by_how_much_of_them_is_booked(
    console: Console, story: Story, booked: str, found: set[str]
):
    builders.make_fill(exchange_fill_id="none")
    builders.make_fill(exchange_fill_id="part", allocated_quantity="0.1")
    assert set(column(console.list_of(Fill, booked=booked), "Fill")) == found


def test_filters_show_the_words_of_the_columns(console: Console, story: Story):
    builders.make_order(story.trade, status=OrderStatus.PARTIALLY_FILLED, filled_quantity="0.1")
    page = console.list_of(Order)
    address = next(href for words, href in page.main.links if words == "PARTIALLY_FILLED")
    found = console.open(list_address(Order) + address)
    assert column(found, "Status") == ["PARTIALLY_FILLED"]
    assert "Status: PARTIALLY_FILLED" in found.main.text


def test_mismatches_without_a_profile_can_be_filtered(console: Console, story: Story):
    builders.make_mismatch(story.run, symbol="ORPHAN")
    assert column(console.list_of(Mismatch, profile__isnull="True"), "Symbol") == ["ORPHAN"]


@pytest.mark.parametrize("parameter", ["status__exact=nonsense", "account__id__exact=abc", "p=x"])
def test_a_filter_that_makes_no_sense_is_no_error(console: Console, story: Story, parameter: str):
    response = console.get(f"{list_address(Order)}?{parameter}")
    assert response.status_code in (200, 302)


def test_the_count_of_a_list_ends_and_says_so(console: Console, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(paginator, "COUNT_LIMIT", 60)
    run = builders.make_run()
    for number in range(60):
        builders.make_mismatch(run, key=str(number))
    page = console.list_of(Mismatch)
    assert "60 rows" in page.main.text
    assert "More than" not in page.main.text

    builders.make_mismatch(run)
    page = console.list_of(Mismatch)
    assert "More than 60 rows: the count and the pages end there." in page.main.text
    assert len(result_rows(page)) == 50
    assert len(result_rows(console.list_of(Mismatch, p=2))) == 10
    assert console.get(list_address(Mismatch), p=3).status_code == 302
    assert len(result_rows(console.list_of(Mismatch, all=""))) == 50
    searched = console.list_of(Mismatch, q=run.pk, status__exact="OPEN")
    assert "more than 60" not in searched.main.text


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_an_empty_list_explains_itself(console: Console, model: type[models.Model]):
    if model is AuditHead:
        with builders.guards_lifted():
            AuditHead.objects.all().delete()
    page = console.list_of(model)
    assert result_rows(page) == []
    assert admin_of(model).empty_text
    assert admin_of(model).empty_text in page.main.text


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_lists_sort_by_indexes_only(model: type[models.Model]):
    indexed = {fields[0].lstrip("-") for fields in _indexes(model)}
    for shown in admin_of(model).list_display:
        assert isinstance(shown, Column)
        assert shown.ordering is None or shown.ordering in indexed


def test_a_click_on_another_column_than_those_sorts_by_nothing(console: Console):
    for number, created in ((1, NOW.replace(year=2025)), (2, NOW), (3, NOW.replace(year=2024))):
        builders.make_order(client_order_id=f"order-{number}", created_at=created)
    newest_first = column(console.list_of(Order), "Order")
    assert newest_first == ["order-3", "order-2", "order-1"]
    for number in range(len(admin_of(Order).list_display) - 1):
        assert column(console.list_of(Order, o=number), "Order") == newest_first

    by_time = console.list_of(Order).results.href("Placed (UTC)")
    oldest_first = column(console.open(list_address(Order) + by_time), "Order")
    assert oldest_first == ["order-3", "order-1", "order-2"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_lists_are_made_for_a_million_rows(model: type[models.Model]):
    options = admin_of(model)
    assert options.date_hierarchy is None
    assert options.show_full_result_count is False
    assert options.list_per_page == options.list_max_show_all == 50
    assert options.show_facets is admin.ShowFacets.NEVER


def test_large_columns_stay_out_of_the_lists(console: Console, story: Story):
    for model, large in (
        (Fill, "raw"),
        (AuditEvent, "payload"),
        (Mismatch, "exchange_side"),
        (Run, "row_errors"),
    ):
        with CaptureQueriesContext(connection) as queries:
            console.list_of(model)
        assert not any(f'"{large}"' in query["sql"] for query in queries)


def _indexes(model: type[models.Model]) -> list[list[str]]:
    declared = [list(index.fields) for index in model._meta.indexes if index.condition is None]
    single = [
        [field.name] for field in model._meta.concrete_fields if field.unique or field.db_index
    ]
    return [fields for fields in declared if fields] + single
