from django.apps import AppConfig


class ReconciliationConfig(AppConfig):
    name = "reconciliation"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Reconciliation"

    def ready(self) -> None:
        from reconciliation import (
            checks,  # noqa: F401  (registers the system checks)
            receivers,
        )

        receivers.connect()
