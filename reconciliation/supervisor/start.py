"""What a process of the portal says of itself when it starts: the settings that are in force."""

import logging

from django.conf import settings
from django.db import Error

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.handlers.settings_seen import note_settings
from reconciliation.handlers.unit import BrokenChain

logger = logging.getLogger(__name__)


def tell_settings(process: str) -> None:
    """Record settings that changed; a process starts also while that cannot be written.

    Whoever starts later, or starts again, finds the difference and records it then.
    """
    loaded, _ = conf.load(settings.RECON_ENVIRON)
    if loaded is None:
        return
    try:
        note_settings(conf=loaded, clock=SystemClock(), process=process)
    except (Error, BrokenChain) as error:
        logger.warning("the settings in force could not be recorded: %s", type(error).__name__)
