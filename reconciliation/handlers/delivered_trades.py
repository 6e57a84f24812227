"""Judge delivered trades: created once, and never another under the same id."""

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.deliveries import DeliveredTrade, Delivery
from reconciliation.domain.keys import trade_code
from reconciliation.domain.plans.adoption import ADOPTED_TRADE_PREFIX
from reconciliation.enums import DeliveryOutcome, TradeStatus
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.delivered_rows import Desk, Refused
from reconciliation.models import Profile, Trade
from reconciliation.selectors.lists import text_list


class TradeDesk:
    """Trades: created once; their quantities come from the history alone."""

    def __init__(self, desk: Desk, delivery: Delivery) -> None:
        self.desk = desk
        ids = [row.trade_id for row in delivery.trades]
        ids += [row.trade_id for row in delivery.history]
        ids += [row.trade_id for row in delivery.orders if row.trade_id is not None]
        codes = {
            (profile.pk, trade_code(profile.sub_tag, trade_id)): trade_id
            for trade_id in set(ids)
            for profile in desk.profiles.values()
        }
        rows = self._lock(ids, [code for _, code in codes])
        self.by_trade_id = {row.trade_id: row for row in rows}
        for row in rows:
            # Opened for an adopted order, before anybody said what it is called.
            name = codes.get((row.profile_id, row.code))
            if name is not None and row.trade_id.startswith(ADOPTED_TRADE_PREFIX):
                self.by_trade_id.setdefault(name, row)
        self.new: list[Trade] = []
        self.changed: dict[int, Trade] = {}
        self._taken: list[tuple[Trade, Profile]] = []

    def _lock(self, ids: list[str], codes: list[str]) -> list[Trade]:
        """Lock the trades of these ids, and the adopted ones of these codes, in order of key."""
        # A union rather than an OR: each branch has an index of its own.
        account = Trade.objects.filter(account=self.desk.account).order_by()
        adopted = account.filter(
            # As they are: of a list that it must unpack first, PostgreSQL expects too many.
            profile_id__in=sorted(profile.pk for profile in self.desk.profiles.values()),
            code__in=text_list(codes),
            trade_id__startswith=ADOPTED_TRADE_PREFIX,
        )
        named = account.filter(trade_id__in=text_list(ids)).values("pk")
        rows = Trade.objects.filter(pk__in=named.union(adopted.values("pk")))
        return list(rows.order_by("pk").select_for_update(no_key=True))

    def find(self, trade_id: str) -> Trade:
        """Return a trade of the account; raises `Refused` for one nobody delivered."""
        trade = self.by_trade_id.get(trade_id)
        if trade is None:
            raise Refused(f"trade_id: {trade_id!r} is not known; deliver the trade first")
        self.desk.refuse_foreign(trade.profile_id, f"trade_id: {trade_id!r}")
        return trade

    def judge(self, row: DeliveredTrade) -> DeliveryOutcome:
        """Take a trade row: create it, or check that it is the one that is known."""
        profile = self.desk.profile(row.profile)
        self.desk.refuse_foreign_tag(row.sub_tag)
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
        self.desk.refuse_foreign(trade.profile_id, f"trade_id: {row.trade_id!r}")
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
                "reversals",
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
