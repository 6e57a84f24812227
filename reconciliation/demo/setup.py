"""What a demo needs in its database before anything starts: accounts, keys, people, schedules."""

import secrets
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command

from reconciliation import schedules
from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.demo.accounts import ALL_ACCOUNTS, ALL_SPECS
from reconciliation.demo.people import USER
from reconciliation.domain.audit import system_actor
from reconciliation.enums import Role
from reconciliation.handlers.accounts import create_account, create_profile
from reconciliation.handlers.api_keys import create_key, revoke_key
from reconciliation.handlers.jobs import drop_old_beats
from reconciliation.models import ApiKey, ExchangeAccount, Profile

SET_UP = system_actor("demo")
_KEYS_LIVE = timedelta(days=30)


def prepare_database(*, conf: Conf, clock: Clock) -> tuple[schedules.Job, ...]:
    """Migrate, and create what is not there yet; return the jobs that are scheduled."""
    call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    _create_accounts(conf, clock)
    table = schedules.jobs(conf)
    schedules.mind_schedules(table, clock=clock, actor=system_actor("demo"), after_start=True)
    drop_old_beats(now=clock.now())
    return table


def make_people() -> dict[str, str]:
    """Make a user of every role beside the superuser; return new passwords, by user name.

    They are kept as hashes only.
    """
    passwords = {USER: _give_password(USER, is_superuser=True)}
    for role in Role:
        name = role.value.lower()
        passwords[name] = _give_password(name, is_superuser=False)
        user = get_user_model().objects.get(username=name)
        user.groups.set([Group.objects.get(name=role)])
    return passwords


def _give_password(username: str, *, is_superuser: bool) -> str:
    password = secrets.token_urlsafe(9)
    user, _ = get_user_model().objects.get_or_create(
        username=username, defaults={"is_staff": True, "is_superuser": is_superuser}
    )
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def rotate_keys(*, conf: Conf, clock: Clock) -> dict[str, str]:
    """Revoke the keys that the bots had, and return a new one for each, by profile."""
    keys = {}
    for spec in ALL_SPECS:
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
    for spec in ALL_ACCOUNTS:
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
    for bot in ALL_SPECS:
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
