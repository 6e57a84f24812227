"""What a demo needs in its database before anything starts: accounts, keys, a user, schedules."""

import secrets
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.core.management import call_command

from reconciliation import schedules
from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.demo.accounts import ACCOUNTS, SPECS
from reconciliation.domain.audit import system_actor
from reconciliation.handlers.accounts import create_account, create_profile
from reconciliation.handlers.api_keys import create_key, revoke_key
from reconciliation.handlers.jobs import drop_old_beats
from reconciliation.models import ApiKey, ExchangeAccount, Profile

USER = "demo"
SET_UP = system_actor("demo")
_KEYS_LIVE = timedelta(days=30)


def prepare_database(*, conf: Conf, clock: Clock) -> tuple[schedules.Job, ...]:
    """Migrate, and create what is not there yet; return the jobs that are scheduled."""
    call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    _create_accounts(conf, clock)
    table = schedules.jobs(conf)
    schedules.sync_schedules(table, now=clock.now())
    drop_old_beats(now=clock.now())
    return table


def make_user() -> str:
    """Give the demo's user a new password and return it: it is kept as a hash only."""
    password = secrets.token_urlsafe(9)
    users = get_user_model().objects
    user, _ = users.get_or_create(username=USER, defaults={"is_staff": True, "is_superuser": True})
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def rotate_keys(*, conf: Conf, clock: Clock) -> dict[str, str]:
    """Revoke the keys that the bots had, and return a new one for each, by profile."""
    keys = {}
    for spec in SPECS:
        own = ApiKey.objects.filter(name__startswith=f"{spec.profile}-bot-")
        for name in own.filter(revoked_at__isnull=True).values_list("name", flat=True):
            revoke_key(name=name, actor=SET_UP, clock=clock, conf=conf)
        issued = create_key(
            name=f"{spec.profile}-bot-{own.count() + 1}",
            profiles=[spec.profile],
            lifetime=_KEYS_LIVE,
            actor=SET_UP,
            clock=clock,
            conf=conf,
        )
        keys[spec.profile] = issued.text
    return keys


def _create_accounts(conf: Conf, clock: Clock) -> None:
    known = dict(ExchangeAccount.objects.values_list("name", "pk"))
    for spec in ACCOUNTS:
        if spec.name not in known:
            account = create_account(
                name=spec.name,
                exchange_id="okx",
                credential_prefix=spec.prefix,
                position_mode=spec.position_mode,
                # The exchange is on this machine and has no limit to keep to.
                options={"pace": 0},
                actor=SET_UP,
                clock=clock,
                conf=conf,
            )
            known[spec.name] = account.pk
    profiles = set(Profile.objects.values_list("name", flat=True))
    for bot in SPECS:
        if bot.profile not in profiles:
            create_profile(
                name=bot.profile,
                account_id=known[bot.account],
                sub_tag=bot.sub_tag,
                allocated_capital_usd=bot.allocated_capital_usd,
                actor=SET_UP,
                clock=clock,
                conf=conf,
            )
