"""The base of every page: look, follow links, write nothing.

Rows are written by the cycles and the handlers, each write with its audit event in the same
transaction. So nobody may add, change or delete a row here, a superuser neither, and an object
page has no form at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from django.contrib import admin
from django.contrib.admin.options import ShowFacets
from django.contrib.admin.utils import unquote
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.text import capfirst

from reconciliation.admin.audit_urls import explorer_url_of, timeline_url_of
from reconciliation.admin.links import label, link, object_url, title
from reconciliation.admin.objects import audit_word, model_of
from reconciliation.admin.page import Grid, Section, gathered
from reconciliation.admin.paginator import CappedPaginator
from reconciliation.admin.search import Lookup, matching

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin):
        """Django's ModelAdmin, which the stubs know as generic and Python does not."""

        def __class_getitem__(cls, _types: object) -> type:
            return cls


class ReadOnlyAdmin(_ModelAdmin[M]):
    """A list and an object page of a model that the admin never writes."""

    actions = None
    # Only the filters use it: a column's cell is never empty.
    empty_value_display = "none"
    object_template = "admin/reconciliation/object.html"
    change_list_template = "admin/reconciliation/change_list.html"
    list_max_show_all = 50
    list_per_page = 50
    ordering: ClassVar[tuple[str, ...]] = ("-id",)
    paginator = CappedPaginator
    show_facets = ShowFacets.NEVER
    show_full_result_count = False

    list_title = ""
    """What its list is called, where that is not the plural of its rows."""
    note = ""
    """Who writes these rows, and what they mean: on top of the list and of each page."""
    legend: Mapping[str, str] = {}
    """What the words of a column mean: folded on top of the list."""
    legend_title = ""
    empty_text = ""
    """What it means that there is no row at all."""
    search_by: Sequence[Lookup] = ()
    narrowed_by: Mapping[str, type[Model] | None] = {}
    """Lookups that links to the list may use, beside its filters, with the model they name."""
    list_defer: Sequence[str] = ()
    """Large columns that a list does not show."""
    object_related: Sequence[str] = ()
    """What an object page joins."""

    def sections(self, obj: M) -> Iterable[Section]:
        """Return what the page of a row shows, in order."""
        raise NotImplementedError

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def rows(self) -> QuerySet[M]:
        """Return every row, with what both the list and the object page compute in SQL."""
        return self.model._default_manager.all()

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        return self.rows().defer(*self.list_defer).order_by(*self.get_ordering(request))

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Return what makes Django show the search box; `search_by` says what it searches."""
        return ("pk",) if self.search_by else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        term = search_term.strip()
        return (matching(queryset, term, self.search_by) if term else queryset), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow what is declared: any other condition could scan the table."""
        return lookup in self.narrowed_by or lookup in self._filter_lookups()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(
            request,
            {
                "title": self.list_title or capfirst(str(self.opts.verbose_name_plural)),
                "note": self.note,
                "legend": self.legend,
                "legend_title": self.legend_title,
                "empty_text": self.empty_text,
                "narrowings": self._narrowings(request),
                **(extra_context or {}),
            },
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show one row and what it leads to."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        obj = self._load(unquote(object_id))
        return TemplateResponse(
            request,
            self.object_template,
            {
                **self.admin_site.each_context(request),
                "title": title(obj),
                "label": label(obj),
                "list_title": self.list_title,
                "note": self.note,
                "opts": self.opts,
                "original": obj,
                "sections": gathered(
                    section
                    for section in self.sections(obj)
                    if not isinstance(section, Grid) or may_view(request, section.model)
                ),
                **(extra_context or {}),
            },
        )

    def history_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the row's timeline: Django's own log of edits stays empty, for there are none."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self._load(unquote(object_id))
        # What the trail has no word for is found by its own model's name, if at all.
        known = model_of(audit_word(self.model)) is not None
        return HttpResponseRedirect(timeline_url_of(row) if known else explorer_url_of(row))

    def page_about(
        self,
        request: HttpRequest,
        row: M,
        template: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
    ) -> TemplateResponse:
        """Return a page on which something about a row is asked or answered."""
        return TemplateResponse(
            request,
            template,
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "list_title": self.list_title,
                "label": label(row),
                "row_url": object_url(type(row), row.pk),
                **context,
            },
            status=status,
        )

    def denied_page(self, request: HttpRequest, row: M, sentence: str) -> TemplateResponse:
        """Return the page that says to a person what he may not do with a row."""
        context = {"title": "Not allowed", "sentence": capfirst(sentence)}
        return self.page_about(
            request, row, "admin/reconciliation/denied.html", context, status=403
        )

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """Return a row; None where there is none, also by a number that no column holds."""
        return None if is_no_key(object_id) else super().get_object(request, object_id, from_field)

    def _load(self, pk: str) -> M:
        if is_no_key(pk):
            raise Http404(f"There is no {self.opts.verbose_name} of that number.")
        try:
            return self.rows().select_related(*self.object_related).get(pk=pk)
        except (ObjectDoesNotExist, ValidationError, ValueError):
            raise Http404(f"There is no {self.opts.verbose_name} {pk}.") from None

    def _filter_lookups(self) -> set[str]:
        lookups = set()
        for item in self.list_filter:
            if isinstance(item, type):
                lookups.add(str(getattr(item, "parameter_name", "")))
            else:
                name = str(item[0] if isinstance(item, tuple | list) else item)
                lookups |= {f"{name}__{end}" for end in ("exact", "isnull", "id__exact")}
                if isinstance(item, tuple) and item[1] is admin.EmptyFieldListFilter:
                    lookups.add(f"{name}__isempty")
        return lookups

    def _narrowings(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Return what a followed link has narrowed the list to, in words."""
        narrowings = []
        for lookup, model in self.narrowed_by.items():
            value = request.GET.get(lookup)
            if value is None:
                continue
            words = lookup.removesuffix("__exact").removesuffix("__id").replace("__", " ")
            row = None
            if model is not None and value.isascii() and value.isdigit():
                row = model._default_manager.filter(pk=int(value)).first()
            narrowings.append((words.replace("_", " "), value if row is None else link(row)))
        return narrowings


_KEY_DIGITS = 19


def is_no_key(pk: str) -> bool:
    """Return whether an address names a number that is beyond every key.

    A key that points to another row is not checked by Django: the database would refuse it.
    """
    return pk.isdecimal() and (len(pk) > _KEY_DIGITS or int(pk) >= 2**63)


def may_view(request: HttpRequest, model: type[Model]) -> bool:
    """Return whether the user may see rows of a model, on whatever page they are."""
    name = f"{model._meta.app_label}.view_{model._meta.model_name}"
    return request.user.has_perm(name)
