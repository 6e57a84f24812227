"""The exchanges' answers about an API key itself, as rights. Pure.

Each names what a key that reads may have; whatever else it has counts, known or not.
"""

from collections.abc import Mapping

from reconciliation.domain.key_rights import KeyRights
from reconciliation.exchange.fields import Fields, UnreadableAnswer
from reconciliation.exchange.gateway import Unsupported

CHECK_BY_HAND = (
    "what the key may do could not be read here; check at the exchange that it may only read"
)
_OKX_READING, _OKX_TRADING = "read_only", "trade"
_BYBIT_TRADING = frozenset(
    {"ContractTrade", "Spot", "Options", "Derivatives", "CopyTrading", "BlockTrade", "Exchange"}
)
# Of what the key belongs to rather than what it can move: reading of news, or of affiliates.
_BYBIT_HARMLESS = frozenset({"Affiliate", "Earn", "NFT"})
_BINANCE_READING = frozenset({"enableReading", "enableFixReadOnly"})
_BINANCE_TRADING = frozenset(
    {
        "enableSpotAndMarginTrading",
        "enableMargin",
        "enableFutures",
        "enableVanillaOptions",
        "enablePortfolioMarginTrading",
        "enableFixApiTrade",
    }
)
_BINANCE_RIGHT = ("enable", "permits")


def unknown_rights() -> Unsupported:
    """Return the error of an exchange that is not asked what a key may do."""
    return Unsupported(CHECK_BY_HAND)


def okx_rights(row: object) -> KeyRights:
    """Return the rights that OKX lists in `perm` of the account's configuration."""
    text = Fields(row, kind="account", id_fields=("uid",)).required_text("perm")
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    return KeyRights(
        may_trade=_OKX_TRADING in words,
        may_move_money=bool(set(words) - {_OKX_READING, _OKX_TRADING}),
        words=words,
    )


def bybit_rights(body: object) -> KeyRights:
    """Return the rights that Bybit lists by what they are for; one flag can take them all away."""
    result = body.get("result") if isinstance(body, Mapping) else None
    listed = result.get("permissions") if isinstance(result, Mapping) else None
    if not isinstance(result, Mapping) or not isinstance(listed, Mapping):
        raise UnreadableAnswer("the answer about the key has no permissions")
    reads_only = str(result.get("readOnly"))
    if reads_only not in ("0", "1"):
        raise UnreadableAnswer("the answer about the key does not say whether it only reads")
    given = {str(name) for name, words in listed.items() if words} - _BYBIT_HARMLESS
    if reads_only == "1":
        return KeyRights(may_trade=False, may_move_money=False, words=("read only",))
    return KeyRights(
        may_trade=bool(given & _BYBIT_TRADING),
        may_move_money=bool(given - _BYBIT_TRADING),
        words=tuple(sorted(given)),
    )


def binance_rights(body: object) -> KeyRights:
    """Return the rights that Binance lists, one switch each."""
    if not isinstance(body, Mapping) or not isinstance(body.get("enableReading"), bool):
        raise UnreadableAnswer("the answer about the key does not list its rights")
    on = {
        str(name)
        for name, value in body.items()
        if str(name).startswith(_BINANCE_RIGHT) and value is not False
    }
    return KeyRights(
        may_trade=bool(on & _BINANCE_TRADING),
        may_move_money=bool(on - _BINANCE_TRADING - _BINANCE_READING),
        words=tuple(sorted(on)),
    )
