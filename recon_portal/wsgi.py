"""The WSGI entry point: refuses to start while the system checks report an error."""

import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recon_portal.settings")
application = get_wsgi_application()
call_command("check")
