"""Figures about the service, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

BUCKETS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
"""Upper bounds of the histogram of durations, in seconds."""
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Media type of what `Metrics.render` returns."""


class Metrics:
    """Counts since the service started, in a registry of its own.

    Parameters:
        gauges: name -> (description, function that returns the current value).
    """

    def __init__(self, gauges: Mapping[str, tuple[str, Callable[[], float]]]) -> None:
        disable_created_metrics()
        self._registry = CollectorRegistry()
        self._outcomes = Counter(
            "hubmerge_jobs", "Finished tasks.", ["kind", "outcome"], registry=self._registry
        )
        self._seconds = Histogram(
            "hubmerge_job_seconds",
            "Duration of finished tasks.",
            ["kind"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        for name, (description, value) in gauges.items():
            gauge = Gauge(f"hubmerge_{name}", description, registry=self._registry)
            gauge.set_function(value)

    def record(self, kind: str, outcome: str, seconds: float) -> None:
        """Count a task of `kind` (merge, plan, ...) that ended as `outcome` after `seconds`."""
        self._outcomes.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    def render(self) -> bytes:
        """All figures as text."""
        return generate_latest(self._registry)
