"""A ccxt client that is strict about what it receives and sends nothing but reads.

The class is made at run time, from ccxt's class of an exchange:

* A success whose body is HTML, empty, cut or of another form raises; ccxt returns `[]` for it.
* Fractions in JSON keep their digits; ccxt makes floats of them.
* Every request goes through our `Transport`: pace, budget, retries, redaction.
* Anything but GET is refused, so that no path can place, change or cancel an order. An exchange
  that answers reads to POST only has those reads named here, each by its whole path.
* Nothing is logged by ccxt, whose debug log shows keys and passphrases.
"""

import json
import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from reconciliation.enums import InstrumentType
from reconciliation.exchange.credentials import Credentials
from reconciliation.exchange.gateway import Unsupported
from reconciliation.exchange.options import BINANCE_USDM, BYBIT, KRAKEN, Options
from reconciliation.exchange.transport import Transport, UnreadableBody

BodyCheck = Callable[[object], str | None]

# Reads that are asked for by POST, with what each costs of the exchange's rate limit.
READS_BY_POST: Mapping[str, Mapping[str, int]] = {
    KRAKEN: {
        "BalanceEx": 3,
        "ClosedOrders": 3,
        "OpenOrders": 3,
        "QueryOrders": 3,
        "QueryTrades": 3,
        "TradesHistory": 6,
    }
}
# What ccxt's `fetchMarkets` calls the types, where it is not what the portal calls them.
_MARKET_TYPES = {
    BYBIT: {InstrumentType.SWAP: "linear"},
    BINANCE_USDM: {InstrumentType.SWAP: "linear"},
}

_SILENT = logging.Logger("ccxt.silent", level=logging.CRITICAL + 1)


def make_client(
    base: Any,
    transport: Transport,
    credentials: Credentials,
    *,
    options: Options,
    base_url: str | None,
    check_body: BodyCheck | None,
) -> Any:
    """Return a client of a subclass of ccxt's class that sends through `transport` only."""
    words = _MARKET_TYPES.get(base.__name__, {})
    market_types = sorted(words.get(each, each.value) for each in options.instrument_types)
    client = _strict_class(base, transport, options.pace, check_body)(
        {
            "apiKey": credentials.api_key,
            "secret": credentials.secret,
            "password": credentials.password,
            "enableRateLimit": False,
            "enableLastHttpResponse": False,
            "enableLastJsonResponse": False,
            "enableLastResponseHeaders": False,
            "logger": _SILENT,
            "options": {
                "fetchMarkets": {"types": market_types},
                # Asked for with the markets otherwise, of another host.
                "fetchMargins": False,
                "defaultType": min(options.instrument_types).value,
                **options.ccxt,
                "maxRetriesOnFailure": 0,
                "adjustForTimeDifference": False,
            },
        }
    )
    client.number = str
    # A redirect would carry the signed headers to whoever it names.
    client.session.max_redirects = 0
    if base_url is not None:
        client.urls["api"] = _moved(client.urls["api"], base_url.rstrip("/"))
    return client


def _strict_class(
    base: Any, transport: Transport, pace: float, check_body: BodyCheck | None
) -> Any:
    def fetch2(
        self: Any,
        path: str,
        api: Any = ("public",),
        method: str = "GET",
        params: Any = MappingProxyType({}),
        config: Any = MappingProxyType({}),
    ) -> object:
        if method != "GET" and not _is_read(base.__name__, path, api, method):
            raise Unsupported(f"{method} {path} is refused: this gateway only reads")
        cost = self.calculate_rate_limiter_cost(api, method, path, params, config)

        def request(timeout_seconds: float) -> object:
            self.timeout = timeout_seconds * 1000
            return base.fetch2(self, path, list(api), method, dict(params), dict(config))

        interval = pace * self.rateLimit * cost / 1000
        return transport.send(request, endpoint=f"{method} {path}", interval=interval)

    def fetch(
        self: Any, url: str, method: str = "GET", headers: Any = None, body: Any = None
    ) -> object:
        transport.redact.remember_request(url, headers)
        return base.fetch(self, url, method, headers, body)

    def on_rest_response(
        self: Any,
        code: int,
        reason: str,
        url: str,
        method: str,
        response_headers: object,
        response_body: str,
        request_headers: object,
        request_body: object,
    ) -> str:
        text = response_body.strip()
        transport.received.take(code, text)
        if 200 <= code < 300:
            try:
                parsed = _parse(text)
            except ValueError:
                kind = "a body that is no whole JSON" if text else "an empty body"
                raise UnreadableBody(f"HTTP {code} with {kind}") from None
            problem = _form_problem(parsed) or (check_body(parsed) if check_body else None)
            if problem is not None:
                raise UnreadableBody(f"HTTP {code}, but {problem}")
        return text

    def parse_json(self: Any, http_response: str) -> object:
        try:
            return _parse(http_response)
        except ValueError:
            return None

    return type(
        f"Strict{base.__name__}",
        (base,),
        {
            "fetch2": fetch2,
            "fetch": fetch,
            "on_rest_response": on_rest_response,
            "parse_json": parse_json,
        },
    )


def _is_read(exchange_id: str, path: str, api: object, method: str) -> bool:
    known = READS_BY_POST.get(exchange_id, {})
    is_private = isinstance(api, list | tuple) and list(api) == ["private"]
    return method == "POST" and is_private and path in known


def _parse(text: str) -> object:
    """Return a JSON body with its fractions as the texts they were sent as."""

    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is no JSON")

    parsed: object = json.loads(text, parse_float=str, parse_constant=refuse)
    return parsed


def _form_problem(parsed: object) -> str | None:
    if isinstance(parsed, dict | list):
        return None
    return f"the body is a {type(parsed).__name__}, not an object or a list"


def _moved(urls: Any, base_url: str) -> Any:
    """Return a client's addresses at another host, each with the path that it had."""
    if isinstance(urls, Mapping):
        return {name: _moved(value, base_url) for name, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    _, _, rest = urls.partition("://")
    _, slash, path = rest.partition("/")
    return f"{base_url}{slash}{path}".rstrip("/")
