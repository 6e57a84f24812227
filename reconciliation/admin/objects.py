"""From an audit event's words for an object to the object, and from an object to its trail.

Handlers name an object by the word and the key below; both stay as they are for ever, because
they are sealed into the chain.
"""

from collections.abc import Mapping

from django.db.models import Model

from reconciliation import models

_WORDS: Mapping[type[Model], str] = {
    models.AcceptedPosition: "accepted_position",
    models.ApiKey: "api_key",
    models.BackfillCandidate: "backfill",
    models.CapitalBalance: "capital",
    models.CapitalEntry: "capital_entry",
    models.Decision: "decision",
    models.Errand: "errand",
    models.Escalation: "escalation",
    models.ExchangeAccount: "account",
    models.ExternalOrder: "external_order",
    models.Fill: "fill",
    models.FillAllocation: "allocation",
    models.FillCoverage: "coverage",
    models.Mismatch: "mismatch",
    models.Order: "order",
    models.OrderLeg: "leg",
    models.Pause: "pause",
    models.Position: "position",
    models.Profile: "profile",
    models.ProfileLease: "lease",
    models.ReviewItem: "review",
    models.Run: "run",
    models.Trade: "trade",
    models.TradeHistory: "history",
}
_MODELS = {word: model for model, word in _WORDS.items()}


def audit_word(model: type[Model]) -> str:
    """Return the `object_type` of a model's rows in the audit trail."""
    return _WORDS.get(model, str(model._meta.model_name))


def audited_model(object_type: str, object_id: str) -> type[Model] | None:
    """Return the model of an event's object, None where no page shows it."""
    return _MODELS.get(object_type) if object_id.isascii() and object_id.isdigit() else None


def model_of(word: str) -> type[Model] | None:
    """Return the model whose rows a word of the trail names, None where no page shows them."""
    return _MODELS.get(word)


def audit_words_known() -> list[str]:
    """Return every word for objects that events use, for whoever looks for one."""
    return sorted({*_MODELS, "user", "group", "settings", "login_attempt"})
