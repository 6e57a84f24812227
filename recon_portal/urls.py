"""Where things are served: the admin is the portal."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

admin.site.site_header = "Reconciliation portal"
admin.site.site_title = "Reconciliation portal"
admin.site.index_title = "Books of the trading system against the exchange"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
]
