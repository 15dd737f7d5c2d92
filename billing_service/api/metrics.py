"""What Prometheus reads: how the API answers, how the parts are, and what waits.

Counts of requests are this process's; the gauges are read from the database when asked, so that
every process tells the same. No label holds anything about a person.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from starlette.types import Scope

from billing_service.api.deps import Services
from billing_service.services.issuing import EVERYTHING

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

NO_ROUTE = "none"
"""The label of requests that no route takes: their paths are anyone's invention."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        """Start at zero."""
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._requests = Counter(
            "solarrally_http_requests",
            "Requests by what they came to.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._durations = Histogram(
            "solarrally_http_request_duration_seconds",
            "How long requests took.",
            ("method", "route"),
            registry=self._registry,
        )

    def note(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", NO_ROUTE)
        self._requests.labels(method, route, str(status)).inc()
        self._durations.labels(method, route).observe(seconds)

    async def page(self, services: Services) -> bytes:
        """Return everything in Prometheus's text format."""
        registry = CollectorRegistry()
        registry.register(_Now(await _now(services)))
        return generate_latest(self._registry) + generate_latest(registry)


class _Now:
    """Metrics that were just read."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        """Return them."""
        return self._metrics


async def _now(services: Services) -> list[Metric]:
    """Return what the parts and the database say. Raises StoreUnavailable."""
    ready = GaugeMetricFamily(
        "solarrally_ready", "Whether a part can do its work.", labels=("part",)
    )
    for name, check in services.checks.items():
        ready.add_metric((name,), await check() is None)
    online = GaugeMetricFamily(
        "solarrally_station_online", "Whether a station is.", labels=("station",)
    )
    seen = GaugeMetricFamily(
        "solarrally_station_last_seen_timestamp_seconds",
        "When a station was last heard.",
        labels=("station",),
    )
    rejected = GaugeMetricFamily(
        "solarrally_rejected_messages",
        "Messages kept aside because they broke the contract.",
        labels=("reason",),
    )
    async with services.open_read() as read:
        for station in await read.stations.visible(EVERYTHING):
            online.add_metric((station.id,), bool(station.online))
            if station.last_seen_at is not None:
                seen.add_metric((station.id,), station.last_seen_at.timestamp())
        for reason, count in (await read.rejected.counts()).items():
            rejected.add_metric((reason,), count)
        sessions = await read.sessions.all_open()
        waiting = await read.marks.waiting()
    return [
        ready,
        online,
        seen,
        rejected,
        GaugeMetricFamily(
            "solarrally_open_sessions", "Sessions under way.", value=len(sessions)
        ),
        GaugeMetricFamily(
            "solarrally_stations_waiting",
            "Stations with frames that are not metered yet.",
            value=len(waiting),
        ),
    ]
