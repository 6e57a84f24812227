"""One line a thing: who decides, and a fill or a slice that waits for a decision."""

from decimal import Decimal
from typing import Any

from reconciliation.conf import Conf, require
from reconciliation.domain.audit import Actor
from reconciliation.domain.people import Person
from reconciliation.enums import (
    ActorType,
    DecisionReason,
    MismatchKind,
    Right,
    RunKind,
    Side,
    TradeStatus,
)
from reconciliation.models import (
    BackfillCandidate,
    MarkPrice,
    Mismatch,
    Profile,
    ReviewItem,
    Run,
    Trade,
)
from tests.builders import (
    NOW,
    SYMBOL,
    FixedClock,
    arranging,
    make_candidate,
    make_fill,
    make_history,
    make_mismatch,
    make_profile,
    make_review,
    make_run,
    make_trade,
)

EVERYTHING = frozenset(Right)


def person(name: str = "ada", *rights: Right) -> Person:
    """Return a person with every right, or those given."""
    actor = Actor(type=ActorType.USER, id=name, name=name, groups=("Operator",))
    return Person(actor=actor, rights=frozenset(rights) or EVERYTHING)


def conf(**environ: str) -> Conf:
    """Return the settings with some set otherwise."""
    return require(environ)


def terms(who: Person | None = None, **values: Any) -> dict[str, Any]:
    """Return what every decision takes."""
    defaults: dict[str, Any] = {
        "person": who or person(),
        "reason": DecisionReason.EXITED_MANUALLY,
        "comment": "",
        "conf": conf(),
        "clock": FixedClock(),
    }
    return {**defaults, **values}


def held(profile: Profile | None = None, quantity: str = "0.5", **values: Any) -> Trade:
    """Make a slice with the entry that it holds."""
    trade = make_trade(profile, entry_quantity=quantity, average_entry_price="60000", **values)
    make_history(trade, quantity=quantity)
    return trade


def waiting_fill(trade: Trade | None = None, quantity: str = "0.5", **values: Any) -> Any:
    """Make a sale of nobody that waits, and the complete run that saw it."""
    trade = trade or held()
    run = make_run(trade.account)
    fill = make_fill(trade.account, side=Side.SELL, quantity=quantity, price="60750")
    candidate: BackfillCandidate = make_candidate(
        fill,
        trade=trade,
        profile=trade.profile,
        quantity=quantity,
        first_run=run,
        **values,
    )
    return candidate


def waiting_slice(
    quantity: str = "0.5", *, mark: str | None = "60000", **values: Any
) -> ReviewItem:
    """Make a quarantined ghost with its mismatch, and the complete heartbeat that saw it."""
    trade = held(quantity=quantity, status=TradeStatus.QUARANTINED)
    run: Run = make_run(trade.account, kind=RunKind.HEARTBEAT)
    make_mismatch(
        run,
        kind=MismatchKind.GHOST_POSITION,
        key=f"parity:{SYMBOL}:{trade.pk}",
        profile=trade.profile,
        trade=trade,
        drift=f"-{quantity}",
    )
    if mark is not None:
        make_mark(trade, mark)
    item: ReviewItem = make_review(trade, **{"quantity": quantity, "first_run": run, **values})
    return item


def make_mark(trade: Trade, price: str) -> None:
    with arranging():
        MarkPrice.objects.create(
            account=trade.account, symbol=trade.symbol, price=Decimal(price), as_of=NOW
        )


def shared_shortfall(drift: str = "-0.6") -> tuple[Mismatch, Trade, Trade]:
    """Make slices of two profiles that share a shortfall."""
    first, second = held(quantity="0.3"), held(make_profile("beta"), quantity="0.4")
    run = make_run(first.account, kind=RunKind.HEARTBEAT)
    make_mark(first, "60000")
    row: Mismatch = make_mismatch(
        run,
        kind=MismatchKind.POSITION_MISMATCH,
        key=f"parity:{SYMBOL}:net",
        drift=drift,
        database_side={"slices": [{"trade": first.pk}, {"trade": second.pk}]},
    )
    return row, first, second
