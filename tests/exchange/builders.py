"""The world of the gateway's tests in one line each: rows, a paper exchange, a stub exchange."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from reconciliation.enums import InstrumentType, PositionMode
from reconciliation.exchange.ccxt_gateway import CcxtGateway
from reconciliation.exchange.credentials import Credentials
from reconciliation.exchange.gateway import Gateway
from reconciliation.exchange.instruments import InstrumentTable, table_from_markets
from reconciliation.exchange.normalize import Reading
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.server import PaperExchange
from tests.exchange.paper.builders import NOW, FrozenClock

BOTH = frozenset(InstrumentType)
NOW_MS = int(NOW.timestamp()) * 1000
STUB_CREDENTIALS = Credentials(
    api_key="stub-api-key-0001",
    secret="stub+secret/0001==",
    password="stub pass&word",
    prefix="MAIN",
)


def market(**changes: Any) -> dict[str, Any]:
    """Build ccxt's structure of a linear swap of 0.01 BTC; `info_` changes a field of its row."""
    info = {"ctMult": "1", "ctValCcy": "BTC", "ctType": "linear"}
    info |= {name[5:]: changes.pop(name) for name in list(changes) if name.startswith("info_")}
    structure: dict[str, Any] = {
        "id": "BTC-USDT-SWAP",
        "symbol": "BTC/USDT:USDT",
        "type": "swap",
        "base": "BTC",
        "baseId": "BTC",
        "quote": "USDT",
        "linear": True,
        "inverse": False,
        "contractSize": "0.01",
        "precision": {"amount": "0.01", "price": "0.1"},
        "info": info,
    }
    return structure | changes


def spot_market(**changes: Any) -> dict[str, Any]:
    """Build ccxt's structure of BTC/USDT."""
    structure: dict[str, Any] = {
        "id": "BTC-USDT",
        "symbol": "BTC/USDT",
        "type": "spot",
        "base": "BTC",
        "baseId": "BTC",
        "quote": "USDT",
        "linear": None,
        "inverse": None,
        "contractSize": None,
        "precision": {"amount": "0.00001", "price": "0.1"},
        "info": {"ctMult": "", "ctValCcy": ""},
    }
    return structure | changes


INVERSE = market(
    id="BTC-USD-SWAP",
    symbol="BTC/USD:BTC",
    quote="USD",
    linear=False,
    inverse=True,
    contractSize="100",
    info_ctValCcy="USD",
)


def table(*markets: Mapping[str, Any]) -> InstrumentTable:
    """Build a table of BTC spot and swap, of an inverse swap, and of what is given."""
    return table_from_markets(
        [market(), spot_market(), INVERSE, *markets], types=BOTH, aliases={"XBT": "BTC"}
    )


def reading(**changes: Any) -> Reading:
    """Build the reading of an account with the instruments of `table()`."""
    fields: dict[str, Any] = {"table": table(), "types": BOTH}
    return Reading(**(fields | changes))


def order_row(**changes: Any) -> dict[str, Any]:
    """Build OKX's row of a live limit buy of 50 contracts (0.5 BTC) at 60000."""
    row = {
        "accFillSz": "0",
        "algoClOrdId": "",
        "algoId": "",
        "avgPx": "",
        "cTime": str(NOW_MS),
        "clOrdId": "client1",
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "ordId": "1001",
        "ordType": "limit",
        "posSide": "net",
        "px": "60000",
        "reduceOnly": "false",
        "side": "buy",
        "state": "live",
        "sz": "50",
        "tag": "alpha01",
        "tgtCcy": "",
        "uTime": str(NOW_MS + 5),
    }
    return row | changes


def algo_row(**changes: Any) -> dict[str, Any]:
    """Build OKX's row of a live stop that sells 50 contracts at market."""
    row = {
        "actualSz": "0",
        "algoClOrdId": "algoclient1",
        "algoId": "5001",
        "cTime": str(NOW_MS),
        "clOrdId": "",
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "ordId": "",
        "ordIdList": [],
        "ordPx": "",
        "ordType": "conditional",
        "posSide": "net",
        "reduceOnly": "true",
        "side": "sell",
        "slOrdPx": "-1",
        "slTriggerPx": "55000",
        "state": "live",
        "sz": "50",
        "tag": "alpha01",
        "tpOrdPx": "",
        "uTime": str(NOW_MS),
    }
    return row | changes


def fill_row(**changes: Any) -> dict[str, Any]:
    """Build OKX's row of a fill of 50 contracts bought at 60000, 1.5 USDT charged."""
    row = {
        "billId": "9001",
        "clOrdId": "client1",
        "fee": "-1.5",
        "feeCcy": "USDT",
        "fillPx": "60000",
        "fillSz": "50",
        "fillTime": str(NOW_MS - 7),
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "ordId": "1001",
        "posSide": "net",
        "side": "buy",
        "subType": "1",
        "tag": "alpha01",
        "tradeId": "777",
        "ts": str(NOW_MS),
    }
    return row | changes


def position_row(**changes: Any) -> dict[str, Any]:
    """Build OKX's row of a net long of 50 contracts."""
    row = {
        "avgPx": "60000",
        "imr": "3000",
        "instId": "BTC-USDT-SWAP",
        "instType": "SWAP",
        "markPx": "61000",
        "mgnMode": "cross",
        "pos": "50",
        "posId": "1",
        "posSide": "net",
    }
    return row | changes


class Monotonic:
    """A monotonic clock that only `sleep` and `pass_time` move."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds


class PaperWorld:
    """A paper exchange and the gateways to its accounts."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.monotonic = Monotonic()
        self.account = PaperAccount("main")
        self.exchange = PaperExchange([self.account], self.clock)
        self._gateways: list[CcxtGateway] = []

    def __enter__(self) -> Self:
        self.exchange.start()
        self.gateway = self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        for gateway in self._gateways:
            gateway.close()
        self.exchange.stop()

    def connect(self, account: PaperAccount | None = None, **changes: Any) -> CcxtGateway:
        """Return a gateway to an account, which is served from now on; in a fresh cycle."""
        chosen = self.account if account is None else account
        if chosen.name not in self.exchange.accounts:
            self.exchange.add_account(chosen)
        arguments: dict[str, Any] = {
            "exchange_id": "okx",
            "credentials": Credentials(
                api_key=chosen.api_key,
                secret=chosen.secret,
                password=chosen.passphrase,
                prefix="MAIN",
            ),
            "position_mode": PositionMode(chosen.position_mode),
            "clock": self.clock,
            "sleep": self.monotonic.sleep,
            "monotonic": self.monotonic,
            "random": lambda: 0.5,
            "base_url": self.exchange.url(chosen.name),
            "timeout_ms": 3000,
        }
        gateway = CcxtGateway(**(arguments | changes))
        gateway.begin_cycle(budget_seconds=30)
        self._gateways.append(gateway)
        return gateway

    def fail(self, endpoint: str, kind: str, times: Any = 1, **more: Any) -> None:
        """Arm a fault of the account."""
        self.exchange.faults.add(self.account.name, endpoint, kind, times, **more)

    def asked(self, endpoint: str | None = None) -> int:
        """Return how many requests of an endpoint there were since `forget`."""
        return self.exchange.requests.count(self.account.name, endpoint)

    def forget(self) -> None:
        """Count requests from here on, with the instruments loaded."""
        self.gateway.load_instruments()
        self.exchange.requests.clear()

    def queries(self) -> list[dict[str, str]]:
        """Return the query of each request."""
        return [dict(parse_qsl(urlsplit(each.path).query)) for each in self.exchange.requests]


Answer = tuple[int, str, dict[str, str]]


class StubExchange:
    """A server whose answers are told: by the end of a path, each a status, a body, headers."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[Mapping[str, str]], Answer]] = {}
        self.asked: list[str] = []
        self.monotonic = Monotonic()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = 1 << 16

            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                stub.asked.append(self.path)
                found = (make for end, make in stub.answers.items() if path.endswith(end))
                status, body, headers = next(found, lambda _: (404, "", {}))(dict(self.headers))
                content = body.encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._gateways: list[CcxtGateway] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for gateway in self._gateways:
            gateway.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str, body: object, *, status: int = 200, **headers: str) -> None:
        """Tell what is answered to a path: a text as it is, anything else as JSON."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.answers[path] = lambda _: (status, text, headers)

    def rows(self, path: str, *rows: Mapping[str, Any]) -> None:
        """Tell which rows are answered to a path."""
        self.answer(path, {"code": "0", "data": list(rows), "msg": ""})

    def connect(self, **changes: Any) -> CcxtGateway:
        """Return a gateway of an OKX account that knows BTC spot, BTC and ETH swaps."""
        self.answers["/public/instruments"] = self._instruments
        arguments: dict[str, Any] = {
            "exchange_id": "okx",
            "credentials": STUB_CREDENTIALS,
            "position_mode": PositionMode.NET,
            "clock": lambda: NOW,
            "sleep": self.monotonic.sleep,
            "monotonic": self.monotonic,
            "random": lambda: 0.5,
            "base_url": self.url,
            "timeout_ms": 3000,
        }
        gateway = CcxtGateway(**(arguments | changes))
        gateway.begin_cycle(budget_seconds=30)
        self._gateways.append(gateway)
        return gateway

    def _instruments(self, headers: Mapping[str, str]) -> Answer:
        rows = [_spot_listing("BTC")]
        if "instType=SWAP" in self.asked[-1]:
            rows = [_swap_listing("BTC", "0.01"), _swap_listing("ETH", "0.1")]
        return 200, json.dumps({"code": "0", "data": rows, "msg": ""}), {}


_STEPS = {"lotSz": "0.01", "tickSz": "0.1", "minSz": "0.01", "state": "live"}


def _spot_listing(base: str) -> dict[str, str]:
    ids = {"instType": "SPOT", "instId": f"{base}-USDT", "baseCcy": base, "quoteCcy": "USDT"}
    return ids | _STEPS


def _swap_listing(base: str, contract_size: str) -> dict[str, str]:
    ids = {"instType": "SWAP", "instId": f"{base}-USDT-SWAP", "uly": f"{base}-USDT"}
    contract = {"ctVal": contract_size, "ctMult": "1", "ctValCcy": base, "settleCcy": "USDT"}
    return ids | contract | _STEPS


def as_gateway(gateway: CcxtGateway) -> Gateway:
    """Return a gateway as the protocol that it implements, for the type checker to see."""
    return gateway


def moment(milliseconds_before_now: int) -> datetime:
    """Return a moment that many milliseconds before NOW."""
    return NOW - timedelta(milliseconds=milliseconds_before_now)
