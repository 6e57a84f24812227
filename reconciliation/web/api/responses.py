"""What every operation may answer besides its result."""

from typing import Any

from reconciliation.web.api.errors import Errors

# Of any request: not let in, no such path, a method it has not, our fault, no database.
_ALWAYS = (401, 404, 405, 500, 503)


def errors(*statuses: int) -> dict[int, Any]:
    """Return the documented errors of an operation: its own, and those of all."""
    return dict.fromkeys((*statuses, *_ALWAYS), Errors)
