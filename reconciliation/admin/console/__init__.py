"""The operators' own pages, beside the lists of rows: what each answers stands in its own module.

`PAGES` is the whole list. The navigation, the addresses and the keys are made of it.
"""

from reconciliation.admin.console import exposure, home, profiles, runs, setup, trades
from reconciliation.admin.console.audit import AUDIT
from reconciliation.admin.console.audit_export import AUDIT_EXPORT
from reconciliation.admin.console.audit_timeline import AUDIT_TIMELINE
from reconciliation.admin.console.audit_verify import AUDIT_VERIFY
from reconciliation.admin.console.pages import ConsolePage
from reconciliation.admin.console.queues import QUEUES
from reconciliation.admin.console.runbooks import RUNBOOK_PAGES

PAGES: tuple[ConsolePage, ...] = (
    home.PAGE,
    *exposure.PAGES,
    QUEUES,
    *trades.PAGES,
    *runs.PAGES,
    profiles.PAGE,
    AUDIT,
    AUDIT_EXPORT,
    AUDIT_TIMELINE,
    AUDIT_VERIFY,
    *setup.PAGES,
    *RUNBOOK_PAGES,
)
