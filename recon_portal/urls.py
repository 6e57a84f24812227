"""Where things are served: the admin is the portal."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from reconciliation.web.internal import health, live
from reconciliation.web.metrics import metrics

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("internal/health", health, name="health"),
    path("internal/live", live, name="live"),
    path("metrics", metrics, name="metrics"),
    path("api/v1/", include("reconciliation.web.api.urls")),
]
