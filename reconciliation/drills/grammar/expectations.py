"""Expectations: the shape of the tree that an `expect` may name, and what may stand in it.

The shape is declared, not programmed: a branch is a `record` of fixed keys, a mapping `by` names,
`rows`, or `words`; a leaf is an amount, a count, a truth value, a word or a text.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

from reconciliation.drills import values
from reconciliation.drills.grammar.names import Names
from reconciliation.drills.metrics import canonical_sample
from reconciliation.drills.schema import Expectation, Expected, Rows, Words
from reconciliation.drills.source import Node, Unreadable, describe, suggestion
from reconciliation.drills.words import AUDIT_ACTIONS, HEALTH_NAMES, ChainState
from reconciliation.enums import (
    AttributionMode,
    BackfillVerdict,
    CandidateStatus,
    Coverage,
    Direction,
    EscalationKind,
    EscalationStatus,
    ExternalStatus,
    GateReason,
    HistoryKind,
    HistorySource,
    MismatchKind,
    MismatchStatus,
    NoGoReason,
    OrderStatus,
    Origin,
    PauseSource,
    Purpose,
    QuarantineReason,
    ReviewStatus,
    RunKind,
    RunStatus,
    TradeStatus,
)

Reader = Callable[[Node, str, Names], Expected]
NameReader = Callable[[Node, str, Names], str]


def read_expectations(node: Node, names: Names) -> tuple[Expectation, ...]:
    """Return what an `expect` names, in the order of the file."""
    found = []
    for key, field in node.entries("expect").items():
        if key not in EXPECTATIONS:
            raise field.error(f"expect has no key {key!r}{suggestion(key, EXPECTATIONS)}")
        value = EXPECTATIONS[key](field.node, key, names)
        found.append(Expectation(key=key, line=field.line, value=value))
    return tuple(found)


def _record(readers: Mapping[str, Reader]) -> Reader:
    def read(node: Node, what: str, names: Names) -> Expected:
        fields = node.fields(what, optional=tuple(readers))
        return {key: readers[key](fields[key], f"{what}.{key}", names) for key in fields}

    return read


def _by(name: NameReader, reader: Reader) -> Reader:
    def read(node: Node, what: str, names: Names) -> Expected:
        found: dict[str, Expected] = {}
        for key, field in node.entries(what).items():
            canonical = name(Node(node.file, field.line, key), what, names)
            if canonical in found:
                raise field.error(f"{what} names {canonical} twice")
            found[canonical] = reader(field.node, f"{what}.{key}", names)
        return found

    return read


def _rows(readers: Mapping[str, Reader]) -> Reader:
    record = _record(readers)

    def read(node: Node, what: str, names: Names) -> Expected:
        rows = []
        for index, each in enumerate(node.items(what)):
            row = record(each, f"{what}[{index}]", names)
            if not isinstance(row, Mapping) or not row:
                raise each.error(f"{what}[{index}] names nothing to match a row by")
            rows.append(row)
        return Rows(tuple(rows))

    return read


def _words(words: type[StrEnum]) -> Reader:
    def read(node: Node, what: str, names: Names) -> Expected:
        return Words(tuple(values.word(each, what, words).value for each in node.items(what)))

    return read


def _word(words: type[StrEnum]) -> Reader:
    return lambda node, what, _: values.word(node, what, words).value


def _or_null(reader: Reader) -> Reader:
    """Return a reader that takes null for "there is none"."""
    return lambda node, what, names: None if node.is_null else reader(node, what, names)


def _amount(node: Node, what: str, names: Names) -> Expected:
    return values.expected_amount(node, what)


def _unsigned(node: Node, what: str, names: Names) -> Expected:
    """Read an amount whose sign another key of the row says already."""
    return abs(values.expected_amount(node, what))


def _count(node: Node, what: str, names: Names) -> Expected:
    return values.whole(node, what)


def _truth(node: Node, what: str, names: Names) -> Expected:
    return values.truth(node, what)


def _text(node: Node, what: str, names: Names) -> Expected:
    return values.text(node, what)


def _profile(node: Node, what: str, names: Names) -> str:
    return names.profile(node)


def _account(node: Node, what: str, names: Names) -> str:
    return names.account(node)


def _symbol(node: Node, what: str, names: Names) -> str:
    return names.symbol(node)


def _order(node: Node, what: str, names: Names) -> str:
    return names.order_key(values.text(node, what))


def _trade(node: Node, what: str, names: Names) -> str:
    # Not resolved: the portal may come to know a trade that the trading system never wrote, and
    # what it does not know then is absent from the state, which fails.
    return values.text(node, what)


def _action(node: Node, what: str, names: Names) -> str:
    return values.one_of(node, "an audit action", AUDIT_ACTIONS)


def _health_name(node: Node, what: str, names: Names) -> str:
    return values.one_of(node, "a field of health", HEALTH_NAMES)


def _sample(node: Node, what: str, names: Names) -> str:
    written = values.text(node, "a metric")
    canonical = canonical_sample(written)
    if canonical is None:
        raise node.error(f'{written!r} is not a metric such as name or name{{label="value"}}')
    return canonical


def _anything(node: Node, what: str, names: Names) -> Expected:
    """Read a value whose shape belongs to the product: health and metrics."""
    match node.value:
        case Unreadable():
            raise node.error(f'{what} must be a decimal in quotes: write "{node.written}"')
        case tuple() as items:
            if all(isinstance(item.value, str) for item in items) and items:
                return Words(tuple(values.text(item, what) for item in items))
            return Rows(tuple(_any_row(item, what, names) for item in items))
        case dict():
            return _any_row(node, what, names)
        case scalar:
            return scalar


def _any_row(node: Node, what: str, names: Names) -> dict[str, Expected]:
    entries = node.entries(what)
    return {key: _anything(field.node, f"{what}.{key}", names) for key, field in entries.items()}


def _sample_value(node: Node, what: str, names: Names) -> Expected:
    if node.is_null or isinstance(node.value, tuple | dict):
        raise node.error(f"{what} must be a number, not {describe(node)}")
    return values.expected_amount(node, what)


_MISMATCH: Mapping[str, Reader] = {
    "kind": _word(MismatchKind),
    "status": _word(MismatchStatus),
    "trade": _or_null(_trade),
    "order": _or_null(_order),
    "fill": _or_null(_text),
    "profile": _or_null(_profile),
    "account": _account,
    "symbol": _symbol,
    "drift": _or_null(_amount),
}
_ORDER: Mapping[str, Reader] = {
    "status": _word(OrderStatus),
    "filled": _amount,
    "quantity": _amount,
    "price": _or_null(_amount),
    "average_price": _or_null(_amount),
    "purpose": _word(Purpose),
    "origin": _word(Origin),
    "profile": _profile,
    "trade": _or_null(_trade),
    "symbol": _symbol,
    "exchange_order_id": _or_null(_text),
    "client_order_id": _or_null(_text),
    "end_reason": _text,
}
_GATE: Mapping[str, Reader] = {
    "entries_allowed": _truth,
    "exits_allowed": _truth,
    "reasons": _words(GateReason),
    "symbols": _anything,
    "as_of": _or_null(_text),
    "retry_after_ms": _or_null(_count),
}

EXPECTATIONS: Mapping[str, Reader] = {
    "trades": _by(
        _trade,
        _record(
            {
                "status": _word(TradeStatus),
                "open_quantity": _amount,
                "entry_quantity": _amount,
                "exit_quantity": _amount,
            }
        ),
    ),
    "orders": _by(_order, _record(_ORDER)),
    "history": _by(
        _trade,
        _record(
            {
                **{kind.value: _count for kind in HistoryKind},
                "sources": _record({source.value: _count for source in HistorySource}),
            }
        ),
    ),
    "exits": _by(
        _trade,
        _rows(
            {
                "quantity": _amount,
                "price": _or_null(_amount),
                "source": _word(HistorySource),
                "estimated": _truth,
                "fill_id": _or_null(_text),
            }
        ),
    ),
    "mismatches": _rows(_MISMATCH),
    "mismatches_open": _count,
    "quarantine": _rows(
        {
            "trade": _trade,
            "status": _word(ReviewStatus),
            "reason": _word(QuarantineReason),
            "profile": _profile,
        }
    ),
    "backfill": _rows(
        {
            "fill": _text,
            "trade": _or_null(_trade),
            "verdict": _word(BackfillVerdict),
            "reasons": _words(NoGoReason),
            "mode": _word(AttributionMode),
            "status": _word(CandidateStatus),
        }
    ),
    "positions": _rows(
        {
            "profile": _profile,
            "symbol": _symbol,
            "direction": _word(Direction),
            "quantity": _unsigned,
            "entry_price": _or_null(_amount),
        }
    ),
    "external_orders": _rows(
        {
            "exchange_order_id": _text,
            "fill": _text,
            "account": _account,
            "symbol": _symbol,
            "status": _word(ExternalStatus),
        }
    ),
    "pauses": _by(_profile, _record({"sources": _words(PauseSource)})),
    "gate": _by(_profile, _record(_GATE)),
    "capital": _by(
        _profile, _record(dict.fromkeys(("allocated", "reserved", "used", "free"), _amount))
    ),
    "health": _by(_health_name, _anything),
    "metrics": _by(_sample, _sample_value),
    "runs": _record(
        {
            "last": _record(
                {
                    "kind": _word(RunKind),
                    "status": _word(RunStatus),
                    "coverage": _word(Coverage),
                    "account": _account,
                }
            )
        }
    ),
    "escalations": _rows(
        {
            "kind": _word(EscalationKind),
            "status": _word(EscalationStatus),
            "profile": _or_null(_profile),
            "account": _or_null(_account),
        }
    ),
    "audit": _by(_action, _count),
    "audit_chain": _word(ChainState),
    "corrections": _count,
}
