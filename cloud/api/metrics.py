"""Figures of this application for Prometheus, in a registry of its own."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from cloud.api.ports import Services

# RFC 9110 and RFC 5789; anybody can make up more, and each would be a series of its own.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """Counts of requests by route, and the state of the store when asked."""

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        name = "klimanetz_http"
        self._requests = Counter(f"{name}_requests", "Answers given", labels, registry=self.registry)
        self._seconds = Histogram(
            f"{name}_request_seconds",
            "From request to the last byte",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_StoreState(services))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request is done; `route` is its template and made-up methods are `other`, so that labels stay few."""
        method = method if method in _METHODS else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class _StoreState:
    """Asked when Prometheus asks; a store that is down is a figure too."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("klimanetz_store_up", "Whether the store of readings answers")
        newest = GaugeMetricFamily("klimanetz_newest_reading_timestamp_seconds", "Time of the newest reading stored")
        try:
            times = [one.time_ms for one in self._services.store.latest()]
        except Exception:
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
            if times:
                newest.add_metric([], max(times) / 1000)
        yield up
        yield newest

    def describe(self) -> Iterator[Metric]:
        return iter(())  # nothing is asked of the store while the application is being built
