"""What a doer of errands is given, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from reconciliation.cycles.ports import Ports
from reconciliation.models import Errand


class Teller(Protocol):
    """Says how far an errand is."""

    def __call__(
        self,
        step: str,
        *,
        done: int | None = None,
        total: int | None = None,
        run_id: int | None = None,
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What an errand came to, in a sentence; `result` is for its page."""

    is_done: bool
    says: str
    result: Mapping[str, Any] = field(default_factory=dict)
    run_id: int | None = None


Doer = Callable[[Errand, Ports, Teller], Came | None]
"""Does an errand; None where it goes on in another task."""
