"""The pages of users and groups: Django's own, but no write of theirs is without its event."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from reconciliation.admin.audit_urls import timeline_url
from reconciliation.admin.base import is_no_key
from reconciliation.admin.deciding_types import Desk
from reconciliation.handlers.people import (
    MOST_DELETED,
    State,
    people_unit,
    record_deleted,
    record_password,
    record_saved,
    state_of,
)
from reconciliation.handlers.unit import Unit, current_unit

if TYPE_CHECKING:
    _UserAdmin = UserAdmin[User]
else:
    _UserAdmin = UserAdmin


@contextmanager
def in_unit(request: HttpRequest) -> Iterator[None]:
    """Let a page of Django's write as the doing of who asked; what only reads needs no unit."""
    # The page that adds a user opens a transaction of its own before it comes to the form.
    if request.method in ("GET", "HEAD") or current_unit() is not None:
        yield
        return
    desk = Desk.of(request)
    with people_unit(person=desk.person, clock=desk.clock, settings_hash=desk.conf.hash()):
        yield


def own_unit() -> Unit:
    """Return the unit that the page was wrapped in."""
    unit = current_unit()
    if unit is None:
        raise PermissionDenied("users and groups are written inside a unit only")
    return unit


@contextmanager
def own_password_changed(request: HttpRequest) -> Iterator[None]:
    """Record that a user changed the own password on the page within, if that came about."""
    with in_unit(request):
        users = User.objects.filter(pk=request.user.pk or 0)
        before = users.values_list("password", flat=True).first()
        yield
        user = users.first()
        if user is not None and user.password != before:
            record_password(unit=own_unit(), user=user)


class AuditedPeople:
    """What both pages do alike: a unit around each page that writes, an event for each write."""

    _BEFORE = "_state_before"

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with in_unit(request):
            return super().changeform_view(request, *args, **kwargs)  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with in_unit(request):
            response = super().changelist_view(request, *args, **kwargs)  # type: ignore[misc]
            return response.render() if hasattr(response, "render") else response

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with in_unit(request):
            return super().delete_view(request, *args, **kwargs)  # type: ignore[misc]

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        own_unit()
        before: State | None = None
        if change:
            before = state_of(type(obj)._default_manager.get(pk=obj.pk))
        setattr(request, self._BEFORE, before)
        super().save_model(request, obj, form, change)  # type: ignore[misc]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)  # type: ignore[misc]
        row = type(form.instance)._default_manager.get(pk=form.instance.pk)
        record_saved(unit=own_unit(), row=row, before=getattr(request, self._BEFORE))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        record_deleted(unit=own_unit(), row=obj)
        super().delete_model(request, obj)  # type: ignore[misc]

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        rows = list(queryset.order_by("pk")[: MOST_DELETED + 1])
        if len(rows) > MOST_DELETED:
            messages.error(request, f"Nothing was deleted: choose {MOST_DELETED} at most.")
            return
        for row in rows:
            record_deleted(unit=own_unit(), row=row)
        super().delete_queryset(request, queryset)  # type: ignore[misc]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        """Lead to the audit trail, which holds what Django's log of edits does not."""
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        if not object_id.isdecimal() or is_no_key(object_id):
            raise Http404("There is nobody and no group of that number.")
        word = "user" if self.model is User else "group"  # type: ignore[attr-defined]
        return HttpResponseRedirect(timeline_url(word, int(object_id)))


class PortalUserAdmin(AuditedPeople, _UserAdmin):
    # Two lists beside each other are made by a script whose hints no screen reader can use.
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        with in_unit(request):
            return super().add_view(request, *args, **kwargs)

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Set somebody's password; that it was set is an event, unless the form was refused."""
        if not id.isdecimal() or is_no_key(id):
            raise Http404("There is no user of that number.")
        with in_unit(request):
            before = User.objects.filter(pk=id).values_list("password", flat=True).first()
            response = super().user_change_password(request, id, form_url)
            user = User.objects.filter(pk=id).first()
            if user is not None and user.password != before:
                record_password(unit=own_unit(), user=user)
            return response


class PortalGroupAdmin(AuditedPeople, GroupAdmin):
    filter_horizontal = ()


admin.site.unregister(User)
admin.site.unregister(Group)
admin.site.register(User, PortalUserAdmin)
admin.site.register(Group, PortalGroupAdmin)
