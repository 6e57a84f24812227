"""Client order ids: `auto`, `auto:TRADE:PURPOSE:SEQ`, or any other text as it is."""

import re

from reconciliation.domain.keys import MAX_SEQUENCE, client_order_id, trade_code
from reconciliation.drills import values
from reconciliation.drills.grammar.names import Names
from reconciliation.drills.source import Node
from reconciliation.enums import Purpose

AUTO = "auto"
_FORM = "auto:TRADE:PURPOSE:SEQ, for example auto:T1:ENTRY:1"
_AUTO = re.compile(r"auto:(?P<trade>.+?):(?P<purpose>[^:]*)(?::(?P<sequence>[0-9]+))?")


def read_client_order_id(node: Node, names: Names, *, account: str, sub_tag: str | None) -> str:
    """Return the id that a text stands for; `account` and `sub_tag` are those of its row."""
    text = values.text(node, "client_order_id")
    if text == AUTO:
        raise node.error(f"{AUTO!r} needs an order of `database` with a trade; here write {_FORM}")
    if not text.startswith(f"{AUTO}:"):
        return text
    match = _AUTO.fullmatch(text)
    if match is None or match["purpose"] not in Purpose.values:
        raise node.error(f"client_order_id {text!r} is not {_FORM}")
    owner = _sub_tag_of(node, names, match["trade"], account, sub_tag)
    names.trade_codes[trade_code(owner, match["trade"])] = match["trade"]
    return deterministic_id(
        node,
        sub_tag=owner,
        trade_id=match["trade"],
        purpose=Purpose(match["purpose"]),
        sequence=int(match["sequence"] or 1),
    )


def deterministic_id(
    node: Node, *, sub_tag: str, trade_id: str, purpose: Purpose, sequence: int
) -> str:
    """Return the id that the trading system would give this order of its trade."""
    if not 1 <= sequence <= MAX_SEQUENCE:
        raise node.error(f"the sequence of an order is 1 to {MAX_SEQUENCE}, not {sequence}")
    return client_order_id(sub_tag=sub_tag, trade_id=trade_id, purpose=purpose, sequence=sequence)


def _sub_tag_of(
    node: Node, names: Names, trade_id: str, account: str, row_sub_tag: str | None
) -> str:
    """Return the sub tag that a trade's ids are made of.

    It is the tag of the trade's profile. A trade that no `database` section knows has none, as
    an order of a trade that was lost: there the row's own tag says whose it is, else the only
    profile that the account has.
    """
    profile = names.trade_profiles.get(trade_id)
    if profile is not None:
        return names.profiles[profile].sub_tag
    candidates = [each.sub_tag for each in names.profiles.values() if each.account == account]
    if row_sub_tag in candidates:
        return row_sub_tag
    if len(candidates) == 1:
        return candidates[0]
    raise node.error(
        f"trade {trade_id!r} is in no `database` section, and account {account!r} has "
        f"{len(candidates)} profiles: give the row the tag of one of them"
    )
