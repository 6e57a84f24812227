"""Where things are served: the admin is the portal."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from reconciliation.admin.site import set_up

set_up(admin.site)

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
]
