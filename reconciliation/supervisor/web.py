"""The web server, its address, and its pulse: an answer to a request, whatever it says."""

import errno
import http.client
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconciliation.supervisor.pulse import Sign

LIVE = "/internal/live"
ANSWER_SECONDS = 5.0
_ADDRESS = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):(?P<port>[0-9]{1,5})")
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (compared with, not bound to)
_LAST_PORT = 65535


class AddressUnusable(ValueError):
    """The address cannot be listened on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the web server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return HOST:PORT as an address; raises `AddressUnusable` naming what is right."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) <= _LAST_PORT:
        raise AddressUnusable(f"{text!r} is not HOST:PORT; for example 127.0.0.1:8000")
    return Address(match["host"].strip("[]"), int(match["port"]))


def require_free(address: Address) -> None:
    """Raise `AddressUnusable` when the web server could not listen there."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family) as listener:
        # As the server does: a connection that is still closing does not keep it away.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address.host, address.port))
            listener.listen()
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                other = Address(address.host, address.port % _LAST_PORT + 1)
                raise AddressUnusable(
                    f"{address} is in use by another process (`ss -ltnp` names it): end that one,"
                    f" or choose another address, for example --bind {other}"
                ) from error
            raise AddressUnusable(f"{address} cannot be listened on: {error.strerror}") from error


def gunicorn_arguments(address: Address, *, threads: int) -> list[str]:
    """Return gunicorn's arguments: one process, because the metrics are counted in it."""
    return [
        "recon_portal.wsgi:application",
        *("--bind", str(address), "--workers", "1"),
        *("--worker-class", "gthread", "--threads", str(threads)),
        # Requests under way are cut off before the supervisor's own patience is over.
        *("--graceful-timeout", "5", "--timeout", "30"),
        *("--log-level", "warning", "--no-control-socket"),
    ]


class WebSource:
    """Asks the web server whether it lives; what it answers is not the point."""

    def __init__(self, address: Address, *, allowed_hosts: Sequence[str]) -> None:
        host = _ANY_HOST.get(address.host, address.host)
        self._connect_to = (host, address.port)
        # A host that Django does not serve would be an error in its log at each look.
        named = next((name.lstrip(".") for name in allowed_hosts if name.strip(".*")), "")
        self._header = named or str(Address(host, address.port))

    def begin(self) -> Mapping[str, str]:
        return {}

    def look(self) -> Sign:
        """Ask for the page that says that the process is up."""
        connection = http.client.HTTPConnection(*self._connect_to, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", LIVE, headers={"Host": self._header})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return Sign.SILENT
        finally:
            connection.close()
        return Sign.ALIVE
