"""The paper exchange on a loopback port: one server, several accounts by URL prefix.

`http://127.0.0.1:PORT/main/api/v5/...` is account `main`. A client signs only from `/api/v5` on,
so the prefix is off before the signature is checked, and the real client class needs nothing but
its base URL changed.
"""

import ipaddress
import logging
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from reconciliation.exchange.paper.answers import Answer
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.faults import FaultPlan
from reconciliation.exchange.paper.questions import Retention
from reconciliation.exchange.paper.service import PaperService, RequestLog

logger = logging.getLogger(__name__)

TIMEOUT_FAULT_SECONDS = 30.0

_WAKE_SECONDS = 1.0
_HOLD_POLL_SECONDS = 0.02
_LARGEST_BODY = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class PaperExchange:
    """A local exchange that speaks OKX v5, and can be told to fail.

    `clock` gives the time of the data (`now` of retention, of late fills, of tickers); signatures
    and the time endpoint go by the wall clock, shifted by `skew_ms`. Stopped and started again, it
    comes back on the port it had.
    """

    def __init__(
        self,
        accounts: Iterable[PaperAccount],
        clock: Callable[[], datetime],
        port: int = 0,
        host: str = "127.0.0.1",
        timeout_fault_seconds: float = TIMEOUT_FAULT_SECONDS,
        *,
        retention: Retention | None = None,
        rate_limited: bool = False,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = _check_loopback(host)
        self._port = port
        self._service = PaperService(
            clock,
            timeout_fault_seconds=timeout_fault_seconds,
            retention=Retention() if retention is None else retention,
            rate_limited=rate_limited,
            wall_clock=wall_clock,
            monotonic=monotonic,
        )
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        for account in accounts:
            self.add_account(account)

    @property
    def faults(self) -> FaultPlan:
        return self._service.faults

    @property
    def requests(self) -> RequestLog:
        return self._service.requests

    @property
    def accounts(self) -> dict[str, PaperAccount]:
        return dict(self._service.accounts)

    @property
    def port(self) -> int:
        """Return the port; 0 until the first start where none was asked for."""
        return self._port

    @property
    def skew_ms(self) -> int:
        """Return how far the exchange's clock is ahead of this machine's."""
        return self._service.skew_ms

    @skew_ms.setter
    def skew_ms(self, skew_ms: int) -> None:
        self._service.skew_ms = skew_ms

    @property
    def rate_limited(self) -> bool:
        """Return whether requests beyond an endpoint's budget are refused."""
        return self._service.rate_limited

    @rate_limited.setter
    def rate_limited(self, limited: bool) -> None:
        self._service.rate_limited = limited

    def add_account(self, account: PaperAccount) -> None:
        """Serve one more account, also while running."""
        self._service.add_account(account)

    def start(self) -> Self:
        """Listen, and answer in background threads."""
        if self._server is not None:
            raise RuntimeError("the paper exchange is running already")
        self._server = _Server((self._host, self._port), self._service)
        self._port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_until_stopped,
            name=f"paper-exchange-{self._port}",
            daemon=True,
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop listening and cut every connection, also of requests that are being held."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        self._server = self._thread = None
        server.stop_serving()
        thread.join()
        server.server_close()
        server.cut_connections()

    def url(self, account_name: str) -> str:
        """Return the base URL of an account, which is all that a client needs."""
        if account_name not in self._service.accounts:
            known = ", ".join(self._service.accounts) or "none"
            raise ValueError(f"no account {account_name!r} at the paper exchange; it has {known}")
        if self._port == 0:
            raise RuntimeError("the paper exchange has no port before it is started")
        return f"http://{self._host}:{self._port}/{account_name}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    # How long the accepting thread sleeps at most, should the wake-up call not come through.
    timeout = 1.0

    def __init__(self, address: tuple[str, int], service: PaperService) -> None:
        super().__init__(address, _Handler)
        self.service = service
        self.stopping = threading.Event()
        self.to_reset: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        self._connections: set[socket.socket] = set()

    def serve_until_stopped(self) -> None:
        """Accept connections one by one until `stop_serving`, which wakes it at once."""
        while not self.stopping.is_set():
            self.handle_request()

    def stop_serving(self) -> None:
        self.stopping.set()
        try:
            socket.create_connection(self.socket.getsockname(), _WAKE_SECONDS).close()
        except OSError:
            logger.debug("the accepting thread was not reached, and wakes by itself")

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return not self.stopping.is_set()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        with self._connections_lock:
            self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        if request in self.to_reset:
            self.to_reset.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def cut_connections(self) -> None:
        with self._connections_lock:
            connections = tuple(self._connections)
        for connection in connections:
            _shut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exception(), OSError):
            # Clients hang up in the middle of an answer: that is what their time-outs do.
            logger.debug("connection from %s ended", client_address)
        else:
            logger.exception("connection from %s failed", client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "paper-exchange"
    sys_version = ""
    disable_nagle_algorithm = True
    # Buffered, so that headers and body leave in one packet.
    wbufsize = 1 << 16
    server: _Server

    def do_GET(self) -> None:
        self._respond()

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)

    def _respond(self) -> None:
        self._drop_body()
        reply = self.server.service.respond(self.command, self.path, _upper(self.headers.items()))
        if reply.hold_seconds > 0 and not self._hold(reply.hold_seconds):
            self.close_connection = True
        elif reply.answer is not None:
            self._send(reply.answer)
        elif reply.reset:
            self._reset()
        else:
            self.close_connection = True

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _drop_body(self) -> None:
        """Read past a body, so that the connection can be used again, unless it is too long."""
        length = self.headers.get("Content-Length", "0")
        chunked = "Transfer-Encoding" in self.headers
        if chunked or not length.isdigit() or int(length) > _LARGEST_BODY:
            self.close_connection = True
        else:
            self.rfile.read(int(length))

    def _hold(self, seconds: float) -> bool:
        """Wait; return False where the exchange stops or the client gives up meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self.server.stopping.wait(min(left, _HOLD_POLL_SECONDS)) or self._client_is_gone():
                return False
        return True

    def _client_is_gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        if not readable:
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.server.to_reset.add(self.connection)


def _upper(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.upper(): value for name, value in headers}


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        logger.debug("a connection was gone before it was cut")


def _check_loopback(host: str) -> str:
    """Return `host` if only this machine can reach it: nothing here is meant for a network."""
    try:
        loopback = host == "localhost" or (
            ipaddress.ip_address(host).is_loopback and ipaddress.ip_address(host).version == 4
        )
    except ValueError:
        loopback = False
    if not loopback:
        raise ValueError(
            f"the paper exchange listens on loopback only (127.0.0.1 or localhost), not on {host!r}"
        )
    return host
