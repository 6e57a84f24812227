"""A row is locked without its key, which never changes.

Whoever has written a row that points to it waits for the key at its commit, while it holds the
audit head; and whoever holds the row waits for the head: locking the key as well is a deadlock.
"""

import re
from pathlib import Path

from reconciliation import handlers

HANDLERS = Path(handlers.__file__).parent
# Nothing points to the head of the audit chain.
HEAD = "AuditHead.objects.using(using).select_for_update()"


def test_no_handler_locks_the_key_of_a_row() -> None:
    source = {path.name: path.read_text(encoding="utf-8") for path in HANDLERS.glob("*.py")}
    assert any("select_for_update(no_key=True)" in text for text in source.values())
    assert HEAD in source["unit.py"]
    found = [
        name
        for name, text in source.items()
        if re.search(r"select_for_update\((?!no_key=True)", text.replace(HEAD, ""))
    ]
    assert found == []
