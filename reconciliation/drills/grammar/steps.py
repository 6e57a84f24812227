"""Steps: each word of the file, the keys it takes and the value it becomes."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from reconciliation.drills import values
from reconciliation.drills.grammar.database import read_database
from reconciliation.drills.grammar.exchange import read_exchange
from reconciliation.drills.grammar.expectations import read_expectations
from reconciliation.drills.grammar.names import Names
from reconciliation.drills.schema import (
    AdvanceStep,
    AllocateStep,
    ClearFaultsStep,
    ConcurrentStep,
    CrashStep,
    DatabaseStep,
    DisposeStep,
    ExchangeStep,
    ExpectStep,
    FaultStep,
    LockStep,
    PauseStep,
    RefreshStep,
    RestartStep,
    ReviewStep,
    RunStep,
    Step,
    TakeBackStep,
    TamperStep,
    UnlockStep,
)
from reconciliation.drills.source import Fields, Node, describe, suggestion
from reconciliation.drills.words import FaultEndpoint, FaultKind, TamperTable
from reconciliation.enums import CycleStep, DecisionReason, PauseSource, ReviewQueue

RUNS = ("reconcile", "heartbeat")
# What may happen in two threads at once: runs, and the decisions that people make meanwhile.
CONCURRENT = (
    *RUNS,
    "approve",
    "reject",
    "allocate",
    "reverse",
    "adopt",
    "ignore",
    "pause",
    "resume",
)
ALWAYS = "always"
# How long a lock is held that names no duration: longer than any drill.
UNTIL_UNLOCKED = timedelta(days=3650)

Reader = Callable[[str, int, Node, Names], Step]


def read_steps(node: Node, names: Names) -> tuple[Step, ...]:
    """Return the steps in order; names that one introduces are known to those after it."""
    return tuple(read_step(each, names) for each in node.items("steps"))


def read_step(node: Node, names: Names) -> Step:
    """Return a step: a word alone (`- reconcile`), or a mapping of one word to its keys."""
    if isinstance(node.value, str):
        name, line, below = node.value, node.line, Node(node.file, node.line, None)
        known = node.error(f"there is no step {name!r}{suggestion(name, STEPS)}")
    else:
        entries = node.entries("a step")
        if len(entries) != 1:
            raise node.error(f"a step is one word, not {', '.join(entries) or 'none'}")
        ((name, field),) = entries.items()
        line, below = field.line, field.node
        known = field.error(f"there is no step {name!r}{suggestion(name, STEPS)}")
    if name not in STEPS:
        raise known
    return STEPS[name](name, line, below, names)


def _run(name: str, line: int, node: Node, names: Names) -> Step:
    if node.is_null:
        return RunStep(name=name, line=line)
    narrowed_by = ("account",) if name == "heartbeat" else ("account", "profile")
    fields = node.fields(name, optional=narrowed_by)
    account, profile = fields.get("account"), fields.get("profile")
    return RunStep(
        name=name,
        line=line,
        account=None if account is None else names.account(account),
        profile=None if profile is None else names.profile(profile),
    )


def _advance(name: str, line: int, node: Node, names: Names) -> Step:
    return AdvanceStep(name=name, line=line, by=values.span(node, "advance"))


def _exchange(name: str, line: int, node: Node, names: Names) -> Step:
    return ExchangeStep(name=name, line=line, changes=read_exchange(node, names))


def _database(name: str, line: int, node: Node, names: Names) -> Step:
    return DatabaseStep(name=name, line=line, change=read_database(node, names))


def _fault(name: str, line: int, node: Node, names: Names) -> Step:
    if "clear" in node.entries("fault"):
        fields = node.fields("fault", required=("clear",))
        if not values.truth(fields["clear"], "clear"):
            raise fields["clear"].error("`clear` can only be true")
        return ClearFaultsStep(name=name, line=line)
    fields = node.fields("fault", required=("account", "endpoint", "kind"), optional=("times",))
    return FaultStep(
        name=name,
        line=line,
        account=names.account(fields["account"]),
        endpoint=values.word(fields["endpoint"], "endpoint", FaultEndpoint),
        kind=values.word(fields["kind"], "kind", FaultKind),
        times=_times(fields.get("times")),
    )


def _times(node: Node | None) -> int | None:
    if node is None:
        return 1
    if node.value == ALWAYS:
        return None
    if isinstance(node.value, str):
        raise node.error(f"times must be a whole number or {ALWAYS!r}, not {describe(node)}")
    return values.whole(node, "times", least=1)


def _lock(name: str, line: int, node: Node, names: Names) -> Step:
    fields = node.fields("lock", required=("profile",), optional=("for",))
    duration = fields.get("for")
    return LockStep(
        name=name,
        line=line,
        profile=names.profile(fields["profile"]),
        duration=UNTIL_UNLOCKED if duration is None else values.span(duration, "for"),
    )


def _unlock(name: str, line: int, node: Node, names: Names) -> Step:
    fields = node.fields("unlock", required=("profile",))
    return UnlockStep(name=name, line=line, profile=names.profile(fields["profile"]))


def _crash(name: str, line: int, node: Node, names: Names) -> Step:
    return CrashStep(name=name, line=line, after=values.word(node, "crash", CycleStep))


def _restart(name: str, line: int, node: Node, names: Names) -> Step:
    if not node.is_null:
        raise node.error("restart takes nothing: write `- restart`")
    return RestartStep(name=name, line=line)


def _concurrently(name: str, line: int, node: Node, names: Names) -> Step:
    steps = tuple(read_step(each, names) for each in node.items("concurrently"))
    for step, each in zip(steps, node.items("concurrently"), strict=True):
        if step.name not in CONCURRENT:
            raise each.error(
                f"{step.name!r} cannot happen concurrently; what can: {', '.join(CONCURRENT)}"
            )
    if len(steps) < 2:
        raise node.error("concurrently needs two steps or more")
    return ConcurrentStep(name=name, line=line, steps=steps)


def _tamper(name: str, line: int, node: Node, names: Names) -> Step:
    fields = node.fields("tamper", required=("table", "sequence", "set"))
    values.word(fields["table"], "table", TamperTable)
    changes = {key: field.node for key, field in fields["set"].entries("set").items()}
    if not changes:
        raise fields["set"].error("set names nothing to change")
    return TamperStep(
        name=name,
        line=line,
        sequence=values.whole(fields["sequence"], "sequence", least=1),
        values={key: _tampered(key, each) for key, each in changes.items()},
    )


def _tampered(key: str, node: Node) -> str | int | bool | None:
    if node.value is None or isinstance(node.value, str | int):
        return node.value
    raise node.error(f"{key} can be set to text, a whole number, true, false or null only")


def _expect(name: str, line: int, node: Node, names: Names) -> Step:
    return ExpectStep(name=name, line=line, expectations=read_expectations(node, names))


def _review(name: str, line: int, node: Node, names: Names) -> Step:
    fields = node.fields(
        name,
        required=("queue", "by"),
        optional=("trade", "fill", "reason", "comment", "quantity", "price"),
    )
    queue = values.word(fields["queue"], "queue", ReviewQueue)
    return ReviewStep(
        name=name,
        line=line,
        queue=queue,
        **_item(fields, queue, name, node, names),
        quantity=_amount(fields, "quantity"),
        price=_amount(fields, "price"),
        **_decision(fields),
    )


def _take_back(name: str, line: int, node: Node, names: Names) -> Step:
    fields = node.fields(
        name, required=("queue", "by"), optional=("trade", "fill", "reason", "comment")
    )
    queue = values.word(fields["queue"], "queue", ReviewQueue)
    item = _item(fields, queue, name, node, names)
    return TakeBackStep(name=name, line=line, queue=queue, **item, **_decision(fields))


def _refresh(name: str, line: int, node: Node, names: Names) -> Step:
    fields = node.fields(name, required=("queue",), optional=("trade", "fill"))
    queue = values.word(fields["queue"], "queue", ReviewQueue)
    item = _item(fields, queue, name, node, names)
    return RefreshStep(name=name, line=line, queue=queue, **item)


def _item(
    fields: Fields, queue: ReviewQueue, name: str, node: Node, names: Names
) -> dict[str, Any]:
    """Return what names an item: the trade in quarantine, or the fill that waits."""
    needed = "trade" if queue is ReviewQueue.QUARANTINE else "fill"
    if fields.get(needed) is None:
        raise node.error(f"{name} of the queue {queue.value} needs the key {needed!r}")
    trade = fields.get("trade")
    return {
        "trade": None if trade is None else names.decided_trade(trade),
        "fill": _text(fields, "fill"),
    }


def _allocate(name: str, line: int, node: Node, names: Names) -> Step:
    fields = node.fields(name, required=("fill", "to", "by"), optional=("reason", "comment"))
    shares: dict[str, Decimal] = {}
    for trade_id, field in fields["to"].entries("to").items():
        trade = names.decided_trade(Node(node.file, field.line, trade_id))
        shares[trade] = values.positive(field.node, f"the share of {trade_id}")
    if not shares:
        raise fields["to"].error("to names no trade")
    fill = values.text(fields["fill"], "fill")
    return AllocateStep(name=name, line=line, fill=fill, to=shares, **_decision(fields))


def _dispose(name: str, line: int, node: Node, names: Names) -> Step:
    kinds = ("exchange_order", "orphan", "fill")
    owner = ("profile", "trade") if name == "adopt" else ()
    fields = node.fields(
        name, required=("by",), optional=(*kinds, "account", *owner, "reason", "comment")
    )
    if sum(fields.get(kind) is not None for kind in kinds) != 1:
        raise node.error(f"{name} needs exactly one of the keys {', '.join(kinds)}")
    orphan, account, profile = (fields.get(key) for key in ("orphan", "account", "profile"))
    trade = _text(fields, "trade")
    if trade is not None:
        names.adopted_trades.add(trade)
    return DisposeStep(
        name=name,
        line=line,
        exchange_order=_text(fields, "exchange_order"),
        orphan=None if orphan is None else names.symbol(orphan),
        fill=_text(fields, "fill"),
        account=None if account is None else names.account(account),
        profile=None if profile is None else names.profile(profile),
        trade=trade,
        **_decision(fields),
    )


def _pause(name: str, line: int, node: Node, names: Names) -> Step:
    source_key = ("source",) if name == "resume" else ()
    fields = node.fields(name, required=("profile", "by"), optional=("reason", *source_key))
    source = fields.get("source")
    return PauseStep(
        name=name,
        line=line,
        profile=names.profile(fields["profile"]),
        by=values.text(fields["by"], "by"),
        reason=_text(fields, "reason") or "",
        source=(
            PauseSource.OPERATOR if source is None else values.word(source, "source", PauseSource)
        ),
    )


def _decision(fields: Fields) -> dict[str, Any]:
    reason = fields.get("reason")
    return {
        "by": values.text(fields["by"], "by"),
        "reason": None if reason is None else values.word(reason, "reason", DecisionReason),
        "comment": _text(fields, "comment") or "",
    }


def _amount(fields: Fields, name: str) -> Decimal | None:
    node = fields.get(name)
    return None if node is None else values.positive(node, name)


def _text(fields: Fields, name: str) -> str | None:
    node = fields.get(name)
    return None if node is None else values.text(node, name)


STEPS: Mapping[str, Reader] = {
    "reconcile": _run,
    "heartbeat": _run,
    "advance": _advance,
    "exchange": _exchange,
    "database": _database,
    "fault": _fault,
    "approve": _review,
    "reject": _review,
    "reverse": _take_back,
    "reopen": _take_back,
    "allocate": _allocate,
    "pause": _pause,
    "resume": _pause,
    "adopt": _dispose,
    "ignore": _dispose,
    "refresh": _refresh,
    "lock": _lock,
    "unlock": _unlock,
    "crash": _crash,
    "restart": _restart,
    "concurrently": _concurrently,
    "tamper": _tamper,
    "expect": _expect,
}
