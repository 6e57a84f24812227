"""The WSGI entry point: refuses to start while a setting or a system check is wrong."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.core.wsgi import get_wsgi_application
from django.db import connections

# To gunicorn this says that another worker would fare no better; any other would be tried again.
_CANNOT_START = 3

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recon_portal.settings")
try:
    application = get_wsgi_application()
    call_command("check")

    from reconciliation.supervisor.start import tell_settings

    tell_settings("web")
    connections.close_all()
except (ImproperlyConfigured, SystemCheckError) as error:
    sys.stderr.write(f"The settings cannot be used.\n{error}\n")
    sys.exit(_CANNOT_START)
