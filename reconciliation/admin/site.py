"""The order in which the lists of rows stand: what an operator looks at first stands first."""

from reconciliation import models

ORDER = (
    models.Mismatch,
    models.Run,
    models.Trade,
    models.Order,
    models.Fill,
    models.ReviewItem,
    models.BackfillCandidate,
    models.ExternalOrder,
    models.Decision,
    models.Escalation,
    models.OutsideEdit,
    models.Errand,
    models.Pause,
    models.CapitalBalance,
    models.ParityReading,
    models.Position,
    models.TradeHistory,
    models.FillAllocation,
    models.FillCoverage,
    models.OrderLeg,
    models.OrderLookUp,
    models.MismatchSighting,
    models.ParityWatch,
    models.MarkPrice,
    models.AcceptedPosition,
    models.WatchdogState,
    models.CapitalEntry,
    models.EscalationSighting,
    models.ProfileLease,
    models.ClusterBeat,
    models.ExchangeAccount,
    models.Profile,
    models.ApiKey,
    models.ApiKeyProfile,
    models.ApiKeyUse,
    models.AuditEvent,
    models.AuditHead,
)


def place_of(model: type) -> int:
    """Return where a model stands among the lists; those of other apps come last."""
    return ORDER.index(model) if model in ORDER else len(ORDER)
