from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ReconciliationConfig(AppConfig):
    name = "reconciliation"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Reconciliation"

    def ready(self) -> None:
        from reconciliation import (
            checks,  # noqa: F401  (registers the system checks)
            receivers,
        )
        from reconciliation.models.shape import tell_planner

        receivers.connect()
        post_migrate.connect(tell_planner, sender=self)
