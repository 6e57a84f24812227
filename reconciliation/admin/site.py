"""The index of the console: what an operator looks at first stands first."""

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest

from reconciliation import models

APP = "reconciliation"
ORDER = (
    models.Mismatch,
    models.Run,
    models.Trade,
    models.Order,
    models.Fill,
    models.ReviewItem,
    models.BackfillCandidate,
    models.ExternalOrder,
    models.Decision,
    models.Escalation,
    models.Pause,
    models.CapitalBalance,
    models.ParityReading,
    models.Position,
    models.TradeHistory,
    models.FillAllocation,
    models.FillCoverage,
    models.OrderLeg,
    models.OrderLookUp,
    models.MismatchSighting,
    models.ParityWatch,
    models.MarkPrice,
    models.AcceptedPosition,
    models.WatchdogState,
    models.CapitalEntry,
    models.EscalationSighting,
    models.ProfileLease,
    models.ClusterBeat,
    models.ExchangeAccount,
    models.Profile,
    models.ApiKey,
    models.ApiKeyProfile,
    models.ApiKeyUse,
    models.AuditEvent,
    models.AuditHead,
)


def set_up(site: AdminSite) -> None:
    """Give the stock site its titles and its order; it has no sidebar: the rows need the width."""
    site.site_header = site.site_title = "Reconciliation portal"
    site.index_title = "Books of the trading system against the exchange"
    site.site_url = None
    site.enable_nav_sidebar = False
    alphabetical = site.get_app_list

    def for_an_operator(request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = alphabetical(request, app_label)
        for app in apps:
            for shown in app["models"]:
                shown["name"] = list_title(site, shown["model"]) or shown["name"]
            app["models"].sort(key=lambda shown: _place(shown["model"]))
        return sorted(apps, key=lambda app: app["app_label"] != APP)

    site.get_app_list = for_an_operator  # type: ignore[method-assign]


def list_title(site: AdminSite, model: type) -> str:
    """Return the title of a model's list, where its admin gives it one of its own."""
    return str(getattr(site._registry.get(model), "list_title", ""))


def _place(model: type) -> int:
    return ORDER.index(model) if model in ORDER else len(ORDER)
