"""`/metrics`: this process's own counters by django-prometheus, and the portal's from its database.

The database is read at each scrape, because the jobs run in other processes. A scrape that cannot
read it fails as a whole: half of the metrics would look like a portal without mismatches.
"""

from collections.abc import Iterable, Iterator

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.selectors.metric_families import FAMILIES, MetricType
from reconciliation.selectors.metrics import load_samples
from reconciliation.selectors.reading import bounded_read
from reconciliation.web.access import for_monitoring
from reconciliation.web.internal import STATEMENT_LIMIT, why_unread

_TYPES: dict[MetricType, type[CounterMetricFamily | GaugeMetricFamily]] = {
    MetricType.COUNTER: CounterMetricFamily,
    MetricType.GAUGE: GaugeMetricFamily,
}


class DatabaseCollector(Collector):
    """Reads the database each time it is asked; raises `django.db.Error` where it cannot."""

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without samples: what registers them asks for no more."""
        return self._without_samples().values()

    def collect(self) -> Iterator[Metric]:
        """Return every metric, also one without a sample."""
        metrics = self._without_samples()
        settings_in_force = conf.require(settings.RECON_ENVIRON)
        for sample in load_samples(conf=settings_in_force, clock=SystemClock()):
            metrics[sample.name].add_metric(sample.labels, sample.value)
        yield from metrics.values()

    def _without_samples(self) -> dict[str, CounterMetricFamily | GaugeMetricFamily]:
        return {
            family.name: _TYPES[family.type](family.name, family.meaning, labels=family.labels)
            for family in FAMILIES.values()
        }


REGISTRY.register(DatabaseCollector())


@for_monitoring
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape in Prometheus' text format, or 503 where the database cannot be read."""
    try:
        with bounded_read(STATEMENT_LIMIT):
            text = generate_latest(REGISTRY)
    except Error as error:
        return HttpResponse(why_unread(error), status=503, content_type="text/plain; charset=utf-8")
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)
