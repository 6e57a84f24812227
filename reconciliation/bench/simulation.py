"""Many desks, one after another: each has its own seed, so that any of them can be run alone."""

from collections.abc import Callable
from dataclasses import dataclass

from reconciliation.bench.desk import Desk
from reconciliation.bench.measures import Measures
from reconciliation.conf import Conf

CYCLES_A_DESK = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulated:
    """What a simulation came to; `history` is of the first slice that was closed wrongly."""

    measures: Measures
    history: tuple[str, ...] = ()


def simulate(
    *,
    cycles: int,
    seed: int,
    conf: Conf,
    first_desk: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Simulated:
    """Run so many cycles, desk by desk. The same arguments give the same result.

    On the first wrong close its desk is run once more, and all that concerns the slice is kept.
    """
    measures = Measures()
    history: tuple[str, ...] = ()
    number, left = first_desk, cycles
    while left > 0:
        length = min(CYCLES_A_DESK, left)
        done = Desk(seed_of(seed, number), conf).run(length)
        if done.wrong_closes and not history:
            history = explain(seed=seed, desk=number, cycles=length, conf=conf)
        measures.add(done)
        number, left = number + 1, left - length
        progress(cycles - left)
    return Simulated(measures=measures, history=history)


def explain(*, seed: int, desk: int, cycles: int, conf: Conf) -> tuple[str, ...]:
    """Run one desk again, and return what happened to the slice that was closed wrongly."""
    again = Desk(seed_of(seed, desk), conf, trace=True)
    wrong = again.run(cycles).wrong_closes
    if not wrong:
        return ()
    cycle = int(wrong[0].split("cycle ")[1].split(":")[0])
    symbol = wrong[0].split(" was exited")[0].split()[-1]
    return (
        wrong[0],
        f"net or hedge: {'hedge' if again.venue.is_hedged else 'net'}",
        *(f"bot {bot.profile.name}: {bot.style}" for bot in again.floor.bots),
        *(
            line
            for line in again.log
            if int(line[:4]) <= cycle and (symbol in line or "books of" in line or "fault" in line)
        ),
    )


def seed_of(seed: int, desk: int) -> str:
    """Return the seed of one desk of a simulation."""
    return f"{seed}/{desk}"
