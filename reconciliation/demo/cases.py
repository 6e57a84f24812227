"""The table of cases: one of each question that the portal puts before a person.

Each is played once in the life of a database: its trades are opened by the book, and a few seconds
later something happens past it. Only what the exchange shows, and what is delivered, is made here;
the questions are the portal's own. Nobody takes back what happened: a case waits for its answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from reconciliation.demo.accounts import CASES, STORM
from reconciliation.demo.desk import Desk, hold
from reconciliation.enums import NoGoReason, QuarantineReason

# More than the 90 days that the exchange keeps fills for.
LONG_AGO = timedelta(days=120)
# More than the grace of a fill that is older than its slice.
BEFORE = timedelta(minutes=30)

Desks = Mapping[str, Desk]
Part = Callable[[Desks], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case: `opens` its trades, then it `happens`; `holds` is what the exchange has then.

    `trades` are ids. `quarantine` and `missed` are the reasons that a person finds in the two
    queues because of it.
    """

    name: str
    account: str
    sentence: str
    trades: tuple[str, ...]
    opens: Part
    happens: Part
    holds: Mapping[str, int]
    quarantine: tuple[QuarantineReason, ...] = ()
    missed: tuple[NoGoReason, ...] = ()

    @property
    def symbols(self) -> str:
        """Return the bases of its markets, for whoever reads along."""
        return ", ".join(symbol.partition("/")[0] for symbol in self.holds)


def _swap(base: str) -> str:
    return f"{base}/USDT:USDT"


def _vanish(profile: str, **held: int) -> Part:
    """Return what leaves so much at the exchange, without a fill."""
    return lambda desks: hold(
        desks[profile].exchange, {_swap(base): Decimal(each) for base, each in held.items()}
    )


def _open(profile: str, base: str, *quantities: int, age: timedelta = timedelta()) -> Part:
    """Return what opens trades of a profile, numbered from 1."""

    def opens(desks: Desks) -> None:
        for number, quantity in enumerate(quantities, 1):
            desks[profile].open(_name(profile, base, number), _swap(base), quantity, age=age)

    return opens


def _name(profile: str, base: str, number: int = 1) -> str:
    return f"{profile}-{base.lower()}-{number}"


def _both(*parts: Part) -> Part:
    def play(desks: Desks) -> None:
        for each in parts:
            each(desks)

    return play


def _sell(profile: str, base: str, quantity: int, *, tagged: bool = True) -> Part:
    """Return a sale of a profile's that is told to nobody; without a tag it is a stranger's."""
    return lambda desks: desks[profile].sell(
        _swap(base), quantity, tag=desks[profile].spec.sub_tag if tagged else None
    )


def _sell_too_much_of_an_order(desks: Desks) -> None:
    desk = desks["south"]
    entry = desk.opened[_name("south", "BCH")]
    desk.exit_unheard(entry, 15)


_MASS = {"XRP": 500, "ADA": 500, "DOGE": 1000, "LTC": 5, "BCH": 1, "LINK": 20}

TABLE = (
    Case(
        name="history no longer kept",
        account=CASES.name,
        sentence="a position is gone that is older than what the exchange keeps fills of",
        trades=(_name("south", "DOT"),),
        opens=_open("south", "DOT", 50, age=LONG_AGO),
        happens=_vanish("south", DOT=0),
        holds={_swap("DOT"): 0},
        quarantine=(QuarantineReason.EVIDENCE_INCOMPLETE,),
    ),
    Case(
        name="exit of an old trade",
        account=CASES.name,
        sentence="some of a trade is sold unheard that is older than what the exchange keeps",
        trades=(_name("north", "AVAX"),),
        opens=_open("north", "AVAX", 10, age=LONG_AGO),
        happens=_sell("north", "AVAX", 4),
        holds={_swap("AVAX"): 6},
        quarantine=(QuarantineReason.POSITION_MISMATCH,),
        missed=(NoGoReason.EVIDENCE_INCOMPLETE,),
    ),
    Case(
        name="sold by another profile",
        account=CASES.name,
        sentence="another profile sells some of what one holds",
        trades=(_name("north", "XRP"),),
        opens=_open("north", "XRP", 400),
        happens=_sell("south", "XRP", 100),
        holds={_swap("XRP"): 300},
        quarantine=(QuarantineReason.POSITION_MISMATCH,),
        missed=(NoGoReason.FOREIGN_SUB_TAG,),
    ),
    Case(
        name="sale from before",
        account=CASES.name,
        sentence="the exchange lists a sale that is older than the trade it could have closed",
        trades=(_name("north", "ADA"),),
        opens=_open("north", "ADA", 100),
        happens=lambda desks: desks["north"].sold_before(_swap("ADA"), 60, age=BEFORE),
        holds={_swap("ADA"): 100},
        missed=(NoGoReason.STALE_FILL,),
    ),
    Case(
        name="two trades to choose from",
        account=CASES.name,
        sentence="some is sold where two trades are open: once with the tag, once without",
        trades=(_name("north", "DOGE", 1), _name("north", "DOGE", 2)),
        opens=_open("north", "DOGE", 1000, 3000),
        happens=_both(_sell("north", "DOGE", 500), _sell("north", "DOGE", 700, tagged=False)),
        holds={_swap("DOGE"): 2800},
        quarantine=(QuarantineReason.POSITION_MISMATCH,),
        missed=(NoGoReason.AMBIGUOUS_SLICE, NoGoReason.NO_MATCH),
    ),
    Case(
        name="sold more than held",
        account=CASES.name,
        sentence="more is sold unheard than a trade holds: the exchange is short where it is long",
        trades=(_name("north", "LTC"),),
        opens=_open("north", "LTC", 20),
        happens=_sell("north", "LTC", 30),
        holds={_swap("LTC"): -10},
        quarantine=(QuarantineReason.AMBIGUOUS_OWNERS,),
        missed=(NoGoReason.QTY_EXCEEDS_OPEN,),
    ),
    Case(
        name="overclosed",
        account=CASES.name,
        sentence="an exit order sells more than its trade holds; what it opened is an orphan",
        trades=(_name("south", "BCH"),),
        opens=_open("south", "BCH", 10),
        happens=_sell_too_much_of_an_order,
        holds={_swap("BCH"): -5},
        quarantine=(QuarantineReason.OVERCLOSE,),
    ),
    Case(
        name="no price",
        account=CASES.name,
        sentence="a position is gone, and the exchange tells no price to close the trade at",
        trades=(_name("south", "ATOM"),),
        opens=_open("south", "ATOM", 100),
        happens=_vanish("south", ATOM=0),
        holds={_swap("ATOM"): 0},
        quarantine=(QuarantineReason.NO_MARK,),
    ),
    Case(
        name="shared shortfall",
        account=CASES.name,
        sentence="less is there than the trades of two profiles add up to: nobody knows whose",
        trades=(_name("north", "BNB"), _name("south", "BNB")),
        opens=_both(_open("north", "BNB", 6), _open("south", "BNB", 4)),
        happens=_vanish("north", BNB=7),
        holds={_swap("BNB"): 7},
    ),
    Case(
        name="many gone at once",
        account=STORM.name,
        sentence="six positions are gone at once: too many to be closed by a machine",
        trades=tuple(_name("crowd", base) for base in _MASS),
        opens=_both(*(_open("crowd", base, quantity) for base, quantity in _MASS.items())),
        happens=_vanish("crowd", **dict.fromkeys(_MASS, 0)),
        holds={_swap(base): 0 for base in _MASS},
        quarantine=(QuarantineReason.MASS_MISMATCH,),
    ),
    Case(
        name="nobody's by its evidence",
        account=STORM.name,
        sentence="a position is gone whose entry at the exchange names no profile",
        trades=(_name("crowd", "DOT"),),
        opens=lambda desks: desks["crowd"].open(
            _name("crowd", "DOT"), _swap("DOT"), 30, named=False
        ),
        happens=_vanish("crowd", DOT=0),
        holds={_swap("DOT"): 0},
        quarantine=(QuarantineReason.UNATTRIBUTED,),
    ),
    Case(
        name="sold by a stranger",
        account=STORM.name,
        sentence="a person sells a trade by hand, and its bot never hears of it",
        trades=(_name("crowd", "ATOM"),),
        opens=_open("crowd", "ATOM", 40),
        happens=_sell("crowd", "ATOM", 40, tagged=False),
        holds={_swap("ATOM"): 0},
        quarantine=(QuarantineReason.UNRESOLVED_FILLS,),
        missed=(NoGoReason.WEAK_ATTRIBUTION, NoGoReason.HEURISTIC_DISABLED),
    ),
)
