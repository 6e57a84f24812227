"""The demo's web process: the console on loopback.

A process of its own, so that the console runs as it does in production: without ccxt.
"""

import logging
import signal
import sys
from types import FrameType
from typing import NoReturn

from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler

from reconciliation.demo.ports import HOST
from reconciliation.demo.stopping import end_with_parent


def load_application() -> WSGIHandler:
    """Return the portal's own WSGI application, after its system checks."""
    from recon_portal.wsgi import application

    return application


def serve(port: int) -> None:
    """Serve until SIGTERM, which raises SystemExit here."""
    signal.signal(signal.SIGTERM, _exit)
    end_with_parent()
    application = load_application()
    # One line a request, or a missing icon, would bury what the demo has to say.
    for name in ("django.server", "django.request"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with ThreadedWSGIServer((HOST, port), WSGIRequestHandler) as server:
        server.set_app(application)
        server.serve_forever()


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)
