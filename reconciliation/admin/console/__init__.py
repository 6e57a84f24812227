"""The operators' own pages, beside the lists of rows: what each answers stands in its own module.

`PAGES` is the whole list. The navigation, the addresses and the keys are made of it.
"""

from reconciliation.admin.console.pages import ConsolePage
from reconciliation.admin.console.runbooks import RUNBOOK_PAGES

PAGES: tuple[ConsolePage, ...] = (*RUNBOOK_PAGES,)
