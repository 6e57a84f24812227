"""Whose an order or a fill is, and by which evidence.

Strong evidence, strongest first: a client order id, deterministic or of the bot's own scheme, an
explicit trade id hint, a sub tag. Evidence that contradicts itself is a conflict, never a choice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reconciliation.domain.books import Books, ProfileState, TradeState
from reconciliation.domain.id_patterns import ClientOrderIdPattern
from reconciliation.domain.keys import parse_client_order_id, profile_code, trade_code
from reconciliation.domain.types import ExchangeFill, ExchangeOrder
from reconciliation.enums import AttributionMode, PositionSide, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Whose it is. `trade` is None where only the profile is named, or its trade is unknown.

    `trade_code` is what a client order id says of a trade, known or not; `trade_name` is the
    trade's own id where the client order id spells it out.
    """

    profile: ProfileState
    mode: AttributionMode
    purpose: Purpose | None = None
    trade: TradeState | None = None
    trade_code: str | None = None
    trade_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two pieces of evidence name different owners."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Owners:
    """Who could own something on an account, indexed by what evidence names."""

    by_sub_tag: Mapping[str, ProfileState]
    by_profile_code: Mapping[str, ProfileState]
    by_trade_id: Mapping[str, TradeState]
    by_trade_code: Mapping[tuple[int, str], TradeState]
    profiles: Mapping[int, ProfileState]
    pattern: ClientOrderIdPattern | None = None


def index_owners(
    profiles: Mapping[int, ProfileState],
    trades: Iterable[TradeState],
    pattern: ClientOrderIdPattern | None = None,
) -> Owners:
    """Index the profiles and trades of an account by what evidence may name them with.

    `pattern` is the scheme of client order ids beside the deterministic one, if there is any.
    """
    every = list(trades)
    return Owners(
        by_sub_tag={profile.sub_tag: profile for profile in profiles.values()},
        by_profile_code={profile_code(p.sub_tag): p for p in profiles.values()},
        by_trade_id={trade.trade_id: trade for trade in every},
        by_trade_code={(trade.profile_id, trade.code): trade for trade in every},
        profiles=profiles,
        pattern=pattern,
    )


def owners_of(books: Books) -> Owners:
    """Return who could own something on the account of these books."""
    return index_owners(books.profiles, books.trades.values(), books.client_order_ids)


def attribute(item: ExchangeOrder | ExchangeFill, owners: Owners) -> Attribution | Conflict | None:
    """Return whose an order or fill is by its own evidence, a conflict, or None for nobody's."""
    found = [
        each
        for each in (
            *_by_client_order_id(item, owners),
            _by_trade_hint(item, owners),
            _by_sub_tag(item, owners),
        )
        if each is not None
    ]
    if not found:
        return None
    if len({each.profile.id for each in found}) > 1:
        names = " and ".join(f"{each.profile.name} by {each.mode}" for each in found)
        return Conflict(sentence=f"the evidence names {names}")
    trades = {each.trade.id for each in found if each.trade is not None}
    if len(trades) > 1:
        return Conflict(sentence="client order id and trade id hint name different trades")
    best = next((each for each in found if each.trade is not None), found[0])
    return _find_contradiction(item, best) or best


def _find_contradiction(
    item: ExchangeOrder | ExchangeFill, attribution: Attribution
) -> Conflict | None:
    """Return the conflict where evidence names a trade that the item cannot be of."""
    trade, purpose = attribution.trade, attribution.purpose
    if trade is None or purpose is None:
        return None
    sides = (None, PositionSide.NET, PositionSide(trade.direction.value))
    if item.symbol != trade.symbol:
        what = f"of {item.symbol}"
    elif item.side != trade.side_of(purpose) or item.position_side not in sides:
        what = f"on the side {' '.join(filter(None, (item.side, item.position_side)))}"
    else:
        return None
    return Conflict(
        sentence=f"it names an {purpose} of {trade.direction} {trade.symbol} and is {what}"
    )


def _by_client_order_id(
    item: ExchangeOrder | ExchangeFill, owners: Owners
) -> tuple[Attribution, ...]:
    """Return what the client order id says: at most one owner, unless it contradicts itself."""
    parsed = parse_client_order_id(item.client_order_id)
    if parsed is None:
        return _by_pattern(item, owners)
    profile = owners.by_profile_code.get(parsed.profile_code)
    if profile is None:
        return ()
    return (
        Attribution(
            profile=profile,
            mode=AttributionMode.CLIENT_ORDER_ID,
            purpose=parsed.purpose,
            trade=owners.by_trade_code.get((profile.id, parsed.trade_code)),
            trade_code=parsed.trade_code,
        ),
    )


def _by_pattern(item: ExchangeOrder | ExchangeFill, owners: Owners) -> tuple[Attribution, ...]:
    """Return what an id of the bot's own scheme says: of the profile and of the trade it names."""
    named = None if owners.pattern is None else owners.pattern.read(item.client_order_id)
    if named is None:
        return ()
    found = []
    profile = owners.by_sub_tag.get(named.sub_tag or "")
    trade = owners.by_trade_id.get(named.trade_id or "")
    if profile is not None:
        code = None if named.trade_id is None else trade_code(profile.sub_tag, named.trade_id)
        if trade is None and code is not None:
            trade = owners.by_trade_code.get((profile.id, code))
        found.append(
            Attribution(
                profile=profile,
                mode=AttributionMode.CLIENT_ORDER_ID,
                purpose=named.purpose,
                trade_code=code,
                trade_name=named.trade_id,
            )
        )
    if trade is not None and trade.profile_id in owners.profiles:
        enters = item.side == trade.side_of(Purpose.ENTRY)
        by_side = Purpose.ENTRY if enters else Purpose.EXIT
        own = Attribution(
            profile=owners.profiles[trade.profile_id],
            mode=AttributionMode.CLIENT_ORDER_ID,
            purpose=named.purpose or by_side,
            trade=trade,
            trade_code=trade.code,
        )
        same = profile is not None and profile.id == trade.profile_id
        found = [own] if same else [*found, own]
    return tuple(found)


def _by_trade_hint(item: ExchangeOrder | ExchangeFill, owners: Owners) -> Attribution | None:
    trade = owners.by_trade_id.get(item.trade_hint or "")
    if trade is None or trade.profile_id not in owners.profiles:
        return None
    enters = item.side == trade.side_of(Purpose.ENTRY)
    return Attribution(
        profile=owners.profiles[trade.profile_id],
        mode=AttributionMode.TRADE_ID,
        purpose=Purpose.ENTRY if enters else Purpose.EXIT,
        trade=trade,
    )


def _by_sub_tag(item: ExchangeOrder | ExchangeFill, owners: Owners) -> Attribution | None:
    profile = owners.by_sub_tag.get(item.sub_tag or "")
    if profile is None:
        return None
    return Attribution(profile=profile, mode=AttributionMode.SUB_TAG)
