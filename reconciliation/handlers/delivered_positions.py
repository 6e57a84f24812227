"""Judge delivered positions.

A delivered row is the trading system's word and stands beside the sum of its slices; a change of a
slice recalculates it, and a cycle aligns it when the exchange agrees with the slices.
"""

from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.deliveries import DeliveredPosition, Delivery
from reconciliation.enums import DeliveryOutcome, Direction
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.delivered_rows import Desk, Refused
from reconciliation.models import Position, Profile
from reconciliation.selectors.lists import id_list, text_list


class PositionDesk:
    """Positions: what was delivered is kept beside the sum of the slices."""

    def __init__(self, desk: Desk, delivery: Delivery) -> None:
        self.desk = desk
        names = text_list(row.symbol for row in delivery.positions)
        rows = Position.objects.select_for_update(no_key=True).order_by("pk")
        rows = rows.filter(
            profile_id__in=id_list(profile.pk for profile in desk.profiles.values()),
            symbol__in=names,
        )
        self.known = {(row.profile_id, row.symbol, row.direction): row for row in rows}
        self.new: list[Position] = []
        self.changed: dict[int, Position] = {}
        self._taken: list[tuple[Position, Profile]] = []

    def judge(self, row: DeliveredPosition) -> DeliveryOutcome:
        """Take a position row as the trading system's word."""
        profile = self.desk.profile(row.profile)
        if row.quantity < 0:
            raise Refused("quantity: is not negative; the direction gives the sign")
        signed = row.quantity if row.direction == Direction.LONG else -row.quantity
        position = self.known.get((profile.pk, row.symbol, row.direction))
        outcome = DeliveryOutcome.MERGED
        if position is None:
            position = Position(
                profile=profile,
                symbol=row.symbol,
                direction=row.direction,
                quantity=ZERO,
                updated_at=self.desk.now,
            )
            self.known[(profile.pk, row.symbol, row.direction)] = position
            self.new.append(position)
            outcome = DeliveryOutcome.ACCEPTED
        elif (position.delivered_quantity, position.delivered_entry_price) == (
            signed,
            row.entry_price,
        ):
            return DeliveryOutcome.UNCHANGED
        else:
            self.changed[position.pk] = position
        position.quantity, position.entry_price = signed, row.entry_price
        position.delivered_quantity = signed
        position.delivered_entry_price = row.entry_price
        position.delivered_at = self.desk.now
        position.version += 1
        self._taken.append((position, profile))
        return outcome

    def write(self) -> None:
        """Write what was judged."""
        insert_rows(Position, self.new)
        update_rows(
            Position,
            list(self.changed.values()),
            fields=[
                "quantity",
                "entry_price",
                "delivered_quantity",
                "delivered_entry_price",
                "delivered_at",
                "version",
            ],
        )

    def events(self) -> list[EventDraft]:
        """Return one event a row taken; the rows are written by now."""
        return [
            self.desk.event(
                "position",
                position,
                profile,
                {
                    "symbol": position.symbol,
                    "direction": position.direction,
                    "delivered_quantity": None
                    if position.delivered_quantity is None
                    else plain(position.delivered_quantity),
                },
            )
            for position, profile in self._taken
        ]
