"""Rules that CHECK constraints cannot say, as triggers: what is never changed, deleted, exceeded.

A refusal begins with its rule's name (`fill_never_over_consumed: …`) and arrives as
IntegrityError. The rules stand here once; `_guards_sqlite` and `_guards_postgresql` write them.

A migration that lets SQLite remake a guarded table (it drops the old one, and the triggers with
it) begins by removing the guards and ends by installing them again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

Pairs = Iterable[tuple[str, str]]

AUDIT = "reconciliation_auditevent"
HISTORY = "reconciliation_tradehistory"
ALLOCATION = "reconciliation_fillallocation"
FILL = "reconciliation_fill"
ORDER = "reconciliation_order"
DECISION = "reconciliation_decision"
CAPITAL_ENTRY = "reconciliation_capitalentry"
TRADE = "reconciliation_trade"

FILL_EVIDENCE = (
    "id",
    "account_id",
    "symbol",
    "side",
    "exchange_fill_id",
    "instrument_type",
    "kind",
    "position_side",
    "exchange_order_id",
    "client_order_id",
    "sub_tag",
    "trade_hint",
    "quantity",
    "price",
    "fee",
    "fee_currency",
    "executed_at",
    "raw",
    "run_id",
    "recorded_at",
)
# Tables whose rows are only ever added.
APPEND_ONLY = {
    AUDIT: "audit_event_is_final",
    HISTORY: "trade_history_is_final",
    ALLOCATION: "fill_allocation_is_final",
}
# Those that a later migration added, with the others from then on.
APPEND_ONLY_SINCE_DECISIONS = APPEND_ONLY | {
    DECISION: "decision_is_final",
    CAPITAL_ENTRY: "capital_entry_is_final",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A row's change that is refused: `event` on `table` where `when` holds (always, if empty)."""

    rule: str
    table: str
    event: str
    says: str
    when: str = ""

    @property
    def name(self) -> str:
        """Return the trigger's name; a rule can have one an event."""
        return f"guard_{self.rule}_{self.event.split()[1].lower()}"


def install(
    schema_editor: BaseDatabaseSchemaEditor,
    *,
    order_transitions: Pairs,
    trade_transitions: Pairs,
    append_only: Mapping[str, str] = APPEND_ONLY,
) -> None:
    """Create every guard."""
    guards = _guards({ORDER: order_transitions, TRADE: trade_transitions}, append_only)
    for statement in _engine(schema_editor).create(guards, append_only):
        schema_editor.execute(statement, params=None)


def remove(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop every guard."""
    with schema_editor.connection.cursor() as cursor:
        statements = _engine(schema_editor).drop(cursor)
    for statement in statements:
        schema_editor.execute(statement, params=None)


def _engine(schema_editor: BaseDatabaseSchemaEditor):
    from reconciliation.migrations import _guards_postgresql, _guards_sqlite

    engines = {"postgresql": _guards_postgresql, "sqlite": _guards_sqlite}
    return engines[schema_editor.connection.vendor]


def _guards(transitions: Mapping[str, Pairs], append_only: Mapping[str, str]) -> list[Guard]:
    """Return the rules that both engines can say alike."""
    final = [
        Guard(rule=rule, table=table, event=event, says=f"no row is {done}")
        for table, rule in append_only.items()
        for event, done in (("BEFORE UPDATE", "changed"), ("BEFORE DELETE", "deleted"))
    ]
    # On SQLite a REPLACE is a DELETE and an INSERT: where deleting were allowed, it would walk
    # past every rule for UPDATE.
    kept = [
        Guard(rule=rule, table=table, event="BEFORE DELETE", says="no row is deleted")
        for table, rule in (
            (FILL, "fill_is_evidence"),
            (ORDER, "order_is_kept"),
            (TRADE, "trade_is_kept"),
        )
    ]
    monotone = [
        Guard(
            rule=rule,
            table=table,
            event=f"BEFORE UPDATE OF {column}",
            says=f"{column} only grows",
            when=f"NEW.{column} < OLD.{column}",
        )
        for table, column, rule in (
            (ORDER, "filled_quantity", "order_filled_never_decreases"),
            (TRADE, "entry_quantity", "trade_entry_never_decreases"),
        )
    ]
    legal = [
        Guard(
            rule=rule,
            table=table,
            event="BEFORE UPDATE OF status",
            says="this change of status is not legal",
            when=_illegal(transitions[table]),
        )
        for table, rule in ((ORDER, "order_status_transition"), (TRADE, "trade_status_transition"))
    ]
    return [*final, *kept, *monotone, *legal]


def _illegal(pairs: Pairs) -> str:
    legal = ", ".join(f"'{old}>{new}'" for old, new in sorted(pairs))
    return f"OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN ({legal})"
