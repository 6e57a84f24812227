"""What a run came to, for those who asked for it."""

from dataclasses import dataclass

from reconciliation.enums import Coverage, RunKind, RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """One run of one account. `run_id` is None where another run held the account's claim."""

    account: str
    kind: RunKind
    status: RunStatus
    coverage: Coverage
    run_id: int | None
    error: str
    counts: dict[str, int]
    unread: dict[str, str]
    row_errors: tuple[str, ...]
