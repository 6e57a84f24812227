"""Judge delivered trades, and what all desks share; each desk loads once and writes once."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Model

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.deliveries import (
    DeliveredTrade,
    Delivery,
)
from reconciliation.domain.keys import trade_code
from reconciliation.domain.plans.adoption import ADOPTED_TRADE_PREFIX
from reconciliation.enums import (
    DeliveryOutcome,
    TradeStatus,
)
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.models import ExchangeAccount, Profile, Trade
from reconciliation.selectors.lists import text_list


class Refused(ValueError):
    """A delivered row that cannot be taken; the text names the field and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The account whose rows are judged, and when."""

    account: ExchangeAccount
    profiles: dict[str, Profile]
    now: datetime

    def profile(self, name: str) -> Profile:
        """Return the profile of the account by name; raises `Refused` for a stranger."""
        profile = self.profiles.get(name)
        if profile is None:
            known = ", ".join(sorted(self.profiles)) or "none"
            raise Refused(f"profile: {name!r} is not on account {self.account.name!r} ({known})")
        return profile

    def event(self, kind: str, row: Model, profile: Profile, after: object) -> EventDraft:
        """Return the event of a row that was taken and written."""
        return EventDraft(
            action=f"{kind}.delivered",
            object_type=kind,
            object_id=str(row.pk),
            profile=profile.name,
            account=self.account.name,
            after={"row": after},
        )


class TradeDesk:
    """Trades: created once; their quantities come from the history alone."""

    def __init__(self, desk: Desk, delivery: Delivery) -> None:
        self.desk = desk
        ids = [row.trade_id for row in delivery.trades]
        ids += [row.trade_id for row in delivery.history]
        ids += [row.trade_id for row in delivery.orders if row.trade_id is not None]
        account = Trade.objects.select_for_update().filter(account=desk.account).order_by("pk")
        known = account.filter(trade_id__in=text_list(ids))
        self.by_trade_id = {row.trade_id: row for row in known}
        # Trades that were opened for adopted orders, before anybody said what they are called.
        adopted = {
            (row.profile_id, row.code): row
            for row in account.filter(trade_id__startswith=ADOPTED_TRADE_PREFIX)
        }
        for trade_id in ids if adopted else ():
            for profile in desk.profiles.values():
                row = adopted.get((profile.pk, trade_code(profile.sub_tag, trade_id)))
                if row is not None:
                    self.by_trade_id.setdefault(trade_id, row)
        self.new: list[Trade] = []
        self.changed: dict[int, Trade] = {}
        self._taken: list[tuple[Trade, Profile]] = []

    def find(self, trade_id: str) -> Trade:
        """Return a trade of the account; raises `Refused` for one nobody delivered."""
        trade = self.by_trade_id.get(trade_id)
        if trade is None:
            raise Refused(f"trade_id: {trade_id!r} is not known; deliver the trade first")
        return trade

    def judge(self, row: DeliveredTrade) -> DeliveryOutcome:
        """Take a trade row: create it, or check that it is the one that is known."""
        profile = self.desk.profile(row.profile)
        trade = self.by_trade_id.get(row.trade_id)
        if trade is None:
            trade = Trade(
                account=self.desk.account,
                profile=profile,
                trade_id=row.trade_id,
                code=trade_code(profile.sub_tag, row.trade_id),
                symbol=row.symbol,
                direction=row.direction,
                sub_tag=row.sub_tag,
                status=_initial_status(row.status),
                entry_quantity=ZERO,
                exit_quantity=ZERO,
                delivered_status=row.status,
                opened_at=row.opened_at,
                last_activity_at=max(row.opened_at, self.desk.now),
            )
            self.by_trade_id[row.trade_id] = trade
            self.new.append(trade)
            self._taken.append((trade, profile))
            return DeliveryOutcome.ACCEPTED
        for name, known, given in (
            ("profile", trade.profile_id, profile.pk),
            ("symbol", trade.symbol, row.symbol),
            ("direction", trade.direction, row.direction),
        ):
            if known != given:
                raise Refused(f"{name}: trade {row.trade_id!r} has another; an id is never reused")
        if (trade.trade_id, trade.delivered_status) == (row.trade_id, row.status):
            return DeliveryOutcome.UNCHANGED
        trade.trade_id = row.trade_id
        trade.delivered_status = row.status
        if row.status == TradeStatus.CANCELED and trade.status == TradeStatus.PENDING:
            trade.status = TradeStatus.CANCELED
        self.touch(trade)
        self._taken.append((trade, profile))
        return DeliveryOutcome.MERGED

    def touch(self, trade: Trade) -> None:
        """Note that a trade was changed by this delivery."""
        if trade.pk is not None and trade.pk not in self.changed:
            trade.version += 1
            self.changed[trade.pk] = trade
        trade.last_activity_at = max(trade.last_activity_at, self.desk.now)

    def write(self) -> None:
        """Write what was judged."""
        insert_rows(Trade, self.new)
        update_rows(
            Trade,
            list(self.changed.values()),
            fields=[
                "trade_id",
                "status",
                "delivered_status",
                "entry_quantity",
                "exit_quantity",
                "average_entry_price",
                "average_exit_price",
                "closed_at",
                "last_activity_at",
                "version",
            ],
        )

    def events(self) -> list[EventDraft]:
        """Return one event a row taken; the rows are written by now."""
        return [
            self.desk.event(
                "trade",
                trade,
                profile,
                {
                    "trade_id": trade.trade_id,
                    "symbol": trade.symbol,
                    "direction": trade.direction,
                    "sub_tag": trade.sub_tag,
                    "status": trade.delivered_status,
                    "opened_at": trade.opened_at,
                },
            )
            for trade, profile in self._taken
        ]


def _initial_status(delivered: TradeStatus | None) -> TradeStatus:
    """Return the status before any history: a trade that holds nothing yet."""
    return TradeStatus.CANCELED if delivered == TradeStatus.CANCELED else TradeStatus.PENDING
