"""Makes the portal's own site the admin of this project."""

from typing import TYPE_CHECKING, Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver

if TYPE_CHECKING:
    from reconciliation.admin.console.pages import ConsolePage

APP = "reconciliation"


class PortalAdminConfig(AdminConfig):
    """Django's admin with `PortalSite` as its site."""

    default_site = "recon_portal.admin_config.PortalSite"


class PortalSite(AdminSite):
    """Django's admin with the console's pages; it has no sidebar: the rows need the width.

    What it shows is imported when it is asked for: those modules register themselves at this very
    site, so they cannot be imported while it is made.
    """

    site_header = site_title = "Reconciliation portal"
    index_title = "Is it safe, what is wrong, what is to be done"
    site_url = None
    enable_nav_sidebar = False

    @property
    def pages(self) -> "tuple[ConsolePage, ...]":
        from reconciliation.admin.console import PAGES

        return PAGES

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Put the console's pages before Django's own, whose last one catches everything."""
        from reconciliation.admin.console.pages import page_urls

        return [*page_urls(self.pages, self.admin_view), *super().get_urls()]

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Let a user change the own password; that it was changed is an event."""
        from reconciliation.admin.people import own_password_changed

        with own_password_changed(request):
            return super().password_change(request, extra_context)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from reconciliation.admin.console.pages import nav_items

        context = super().each_context(request)
        if context["has_permission"]:
            context["nav_items"] = nav_items(self.pages, request)
        return context

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the lists of rows, the portal's first, in the order of what matters first."""
        from reconciliation.admin.site import place_of

        apps = super().get_app_list(request, app_label)
        for app in apps:
            for shown in app["models"]:
                shown["name"] = self._list_title(shown["model"]) or shown["name"]
            app["models"].sort(key=lambda shown: place_of(shown["model"]))
        return sorted(apps, key=lambda app: app["app_label"] != APP)

    def _list_title(self, model: type) -> str:
        """Return the title of a model's list, where its admin gives it one of its own."""
        return str(getattr(self._registry.get(model), "list_title", ""))
