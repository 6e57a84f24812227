"""The capital ledger: after each run a row for what changed, and the balance that rows sum to.

The books are not written, so no profile's lease is needed: the run's claim fences it, and the
balance rows are locked, since two jobs of an account may end at the same time.
"""

from collections.abc import Mapping, Sequence, Set
from decimal import Decimal
from uuid import UUID

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.capital import Capital, CapitalChange, changes_between
from reconciliation.handlers.bulk import insert_missing_rows, insert_rows, update_rows
from reconciliation.handlers.runs import fence_run
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import CapitalBalance, CapitalEntry, ExchangeAccount
from reconciliation.selectors.capital import ProfileCapital, load_capital
from reconciliation.selectors.lists import id_list

_NOTHING = Capital()


def recalculate_capital(
    *,
    account: ExchangeAccount,
    run_id: int,
    claim_token: UUID,
    marks: Mapping[str, Decimal],
    conf: Conf,
    clock: Clock,
    actor: Actor,
) -> int:
    """Bring the ledger of every enabled profile up to date; return how many changed.

    The number of statements is constant, and where nothing changed nothing is locked or written.
    Raises `ClaimLost`.
    """
    before = load_capital(account.pk, marks)
    behind = {each.profile.pk for each in before if each.kept != each.now}
    if not behind:
        return 0
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), run_id=run_id
    ) as unit:
        fence_run(run_id=run_id, claim_token=claim_token, clock=clock)
        made = _lock(behind, unit)
        # Read anew behind the locks: of two writers the second sees what the first has written.
        changed = [
            each
            for each in load_capital(account.pk, marks)
            if each.profile.pk in behind and (each.kept != each.now or each.profile.pk in made)
        ]
        _write(changed, account=account, run_id=run_id, unit=unit)
    return len(changed)


def _lock(profile_ids: Set[int], unit: Unit) -> set[int]:
    """Lock balances in order of their keys; those missing are made, empty: return whose."""
    known = CapitalBalance.objects.filter(pk__in=id_list(profile_ids))
    missing = set(profile_ids).difference(known.values_list("pk", flat=True))
    made = [
        CapitalBalance(
            profile_id=profile_id,
            allocated_usd=ZERO,
            reserved_usd=ZERO,
            used_usd=ZERO,
            updated_at=unit.now,
        )
        for profile_id in sorted(missing)
    ]
    insert_missing_rows(CapitalBalance, made, conflict_fields=["profile"])
    rows = CapitalBalance.objects.select_for_update(no_key=True)
    list(rows.filter(pk__in=id_list(profile_ids)).order_by("pk").values_list("pk"))
    return missing


def _write(
    changed: Sequence[ProfileCapital], *, account: ExchangeAccount, run_id: int, unit: Unit
) -> None:
    entries: list[CapitalEntry] = []
    for each in changed:
        rows = changes_between(each.kept or _NOTHING, each.now)
        entries += [_entry(row, each, run_id, unit) for row in rows]
        unit.record(_event(each, rows, account))
    insert_rows(CapitalEntry, entries)
    update_rows(
        CapitalBalance,
        [_balance(each, unit) for each in changed],
        fields=["allocated_usd", "reserved_usd", "used_usd", "unpriced", "updated_at"],
    )


def _entry(row: CapitalChange, of: ProfileCapital, run_id: int, unit: Unit) -> CapitalEntry:
    return CapitalEntry(
        profile=of.profile,
        cause=row.cause,
        allocated_usd=row.allocated,
        reserved_usd=row.reserved,
        used_usd=row.used,
        run_id=run_id,
        recorded_at=unit.now,
    )


def _balance(each: ProfileCapital, unit: Unit) -> CapitalBalance:
    return CapitalBalance(
        profile=each.profile,
        allocated_usd=each.now.allocated,
        reserved_usd=each.now.reserved,
        used_usd=each.now.used,
        unpriced=each.now.unpriced,
        updated_at=unit.now,
    )


def _event(
    each: ProfileCapital, rows: Sequence[CapitalChange], account: ExchangeAccount
) -> EventDraft:
    return EventDraft(
        action="capital.recalculated",
        object_type="capital",
        object_id=str(each.profile.pk),
        profile=each.profile.name,
        account=account.name,
        before={} if each.kept is None else _figures(each.kept),
        after=_figures(each.now) | {"causes": [str(row.cause) for row in rows]},
    )


def _figures(capital: Capital) -> dict[str, object]:
    return {
        "allocated_usd": plain(capital.allocated),
        "reserved_usd": plain(capital.reserved),
        "used_usd": plain(capital.used),
        "free_usd": plain(capital.free),
        "unpriced": capital.unpriced,
    }
