"""While a profile's lock is held nothing of it is edited: the answer is 409, and when to try again.

Pausing is no edit: trading must be stopped also while something is being written.
"""

from collections.abc import Collection
from dataclasses import dataclass
from math import ceil

from django.http import HttpResponse

from reconciliation.admin.page import Notice
from reconciliation.admin.runbook_links import runbook_link
from reconciliation.clock import Clock
from reconciliation.enums import GateReason
from reconciliation.selectors.locks import HeldLease, load_held_leases

CONFLICT = 409
# It was let go between the refusal and this look: there is nothing to wait for any more.
_AT_ONCE = 1
_KEPT = "Nothing was written; what you typed is kept below."


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Why nothing was written, and in how many seconds it is worth to try again."""

    sentence: str
    seconds: int

    def notice(self) -> Notice:
        """Return it as what has to be read first."""
        return Notice(
            level="warning",
            sentence=self.sentence,
            runbook=runbook_link(GateReason.RECONCILING),
        )

    def mark(self, response: HttpResponse) -> HttpResponse:
        """Make a page the answer of a conflict, for people and for machines."""
        response.status_code = CONFLICT
        response["Retry-After"] = str(self.seconds)
        return response


def busy_profiles(profile_ids: Collection[int], *, clock: Clock) -> Busy | None:
    """Return why profiles cannot be edited now, None where nobody holds their locks."""
    held = load_held_leases(clock=clock, profile_ids=profile_ids)
    return _told(held, clock) if held else None


def busy_account(account_id: int, *, clock: Clock) -> Busy:
    """Return who kept an edit of an account's profiles from being written a moment ago."""
    return _told(load_held_leases(clock=clock, account_id=account_id), clock)


def free_again() -> Busy:
    """Return that a lock was in the way, and is not any more."""
    sentence = f"{_KEPT} The lock that was in the way is free again: try again now."
    return Busy(sentence=sentence, seconds=_AT_ONCE)


def _told(held: Collection[HeldLease], clock: Clock) -> Busy:
    if not held:
        return free_again()
    until = max(each.until for each in held)
    seconds = max(ceil((until - clock.now()).total_seconds()), _AT_ONCE)
    who = ", ".join(f"{each.holder} is writing for {each.profile}" for each in held)
    return Busy(
        sentence=(
            f"{_KEPT} {who[:1].upper()}{who[1:]}; try again in a moment, after {until:%H:%M:%S} UTC"
            f" (in {seconds} s) at the latest."
        ),
        seconds=seconds,
    )
