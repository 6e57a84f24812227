"""Filters of the lists. They show the words that the columns hold."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import F, QuerySet
from django.http import HttpRequest

from reconciliation.admin.links import label
from reconciliation.admin.reads import fills_of_order
from reconciliation.domain.amounts import ZERO
from reconciliation.models import Fill, Order


class WordFilter(admin.ChoicesFieldListFilter):
    """Choices by their value, as everywhere else; a label would be a second name for it."""

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        known = dict(self.field.flatchoices)
        words = {str(label): str(value) for value, label in known.items()}
        for choice in super().choices(changelist):
            yield {**choice, "display": words.get(str(choice["display"]), choice["display"])}


class WaitingFilter(admin.SimpleListFilter):
    """Leaves what waits for a person, unless something else was asked for.

    The list says which statuses wait (`waits`) and whether they are meant (`is_waiting_only`): who
    follows a link, searches or chooses a status means other rows too.
    """

    title = "what waits"
    parameter_name = "waits"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> Iterable[tuple[str, str]]:
        self.statuses: tuple[str, ...] = model_admin.waits  # type: ignore[attr-defined]
        self.is_only: bool = model_admin.is_waiting_only(request)  # type: ignore[attr-defined]
        return [("all", "all, also what was answered")]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        for choice in super().choices(changelist):
            is_default = choice["display"] != "all, also what was answered"
            words = "only what waits" if is_default else choice["display"]
            selected = self.is_only if is_default else self.value() == "all"
            yield {**choice, "display": words, "selected": selected}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status__in=self.statuses) if self.is_only else queryset


class ConsumptionFilter(admin.SimpleListFilter):
    """How much of a fill is booked to trades."""

    title = "booked"
    parameter_name = "booked"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> Iterable[tuple[str, str]]:
        return [("no", "not at all"), ("part", "in part"), ("all", "in full")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Fill]) -> QuerySet[Fill]:
        match self.value():
            case "no":
                return queryset.filter(
                    allocated_quantity=ZERO, quantity__gt=F("allocated_quantity")
                )
            case "part":
                return queryset.filter(
                    allocated_quantity__gt=ZERO, allocated_quantity__lt=F("quantity")
                )
            case "all":
                return queryset.filter(allocated_quantity=F("quantity"))
        return queryset


class OfOrderFilter(admin.SimpleListFilter):
    """The fills of one order, where a link has asked for them; otherwise it is not shown."""

    title = "order"
    parameter_name = "of_order"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[Any]"
    ) -> Iterable[tuple[str, str]]:
        value = self.used_parameters.get(self.parameter_name)
        if value is None:
            return []
        self.order = _order(str(value))
        return [(str(value), label(self.order) if self.order else "unknown order")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Fill]) -> QuerySet[Fill]:
        if self.value() is None:
            return queryset
        return queryset.none() if self.order is None else fills_of_order(self.order, queryset)


def _order(pk: str) -> Order | None:
    return Order.objects.filter(pk=int(pk)).first() if pk.isascii() and pk.isdigit() else None
