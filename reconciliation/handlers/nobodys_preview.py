"""What adopting an item of nobody's would write, by the very plan; nothing is locked or written."""

from reconciliation.conf import Conf
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.nobodys import Refusal
from reconciliation.handlers.decision_records import Refused
from reconciliation.handlers.nobodys import check_item, find_profile, plan_item
from reconciliation.handlers.nobodys_items import Item


def preview_adoption(item: Item, *, profile: str, trade: str, conf: Conf) -> Change | Refusal:
    """Return the change that adopting into a profile, and a trade by its id, would be."""
    try:
        check_item(item, None)
        into = find_profile(item.account_id, profile, trade)
    except Refused as refused:
        return Refusal(code=refused.code, sentence=refused.sentence)
    return plan_item(item, into, trade, conf)
