"""How far the set-up is, step by step, from what the tables say."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import Count, OuterRef, Q, Subquery

from reconciliation.enums import ErrandKind, ErrandStatus, RunKind, RunStatus
from reconciliation.models import Errand, ExchangeAccount, Run

MOST_ACCOUNTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSetUp:
    """How far one account is; `test` is the status of its newest test, None for none."""

    account: ExchangeAccount
    test: ErrandStatus | None
    profiles: int
    keys: int
    is_reconciled: bool

    @property
    def is_tested(self) -> bool:
        """Return whether the newest test found everything readable."""
        return self.test == ErrandStatus.DONE


def load_set_up(now: datetime) -> tuple[AccountSetUp, ...]:
    """Return how far each account is, by name: one query however many there are."""
    test = Errand.objects.filter(account=OuterRef("pk"), kind=ErrandKind.CHECK_ACCOUNT)
    run = Run.objects.filter(
        account=OuterRef("pk"), kind=RunKind.RECONCILE, status=RunStatus.SUCCEEDED
    )
    live = Q(api_keys__revoked_at__isnull=True, api_keys__expires_at__gt=now)
    rows = ExchangeAccount.objects.order_by("name").annotate(
        newest_test=Subquery(test.order_by("-id").values("status")[:1]),
        good_run=Subquery(run.order_by("-started_at").values("pk")[:1]),
        profile_count=Count("profiles", filter=Q(profiles__enabled=True), distinct=True),
        key_count=Count("api_keys", filter=live, distinct=True),
    )
    return tuple(
        AccountSetUp(
            account=row,
            test=None if row.newest_test is None else ErrandStatus(row.newest_test),
            profiles=row.profile_count,
            keys=row.key_count,
            is_reconciled=row.good_run is not None,
        )
        for row in rows[:MOST_ACCOUNTS]
    )


def count_people() -> int:
    """Return how many people beside superusers are let in, in a group."""
    rows = User.objects.filter(is_active=True, is_staff=True, is_superuser=False)
    return rows.filter(groups__isnull=False).distinct().count()
