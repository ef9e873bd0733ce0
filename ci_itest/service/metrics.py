"""What the service counts of itself, as Prometheus reads it; no name of any repository is in it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of this process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.uploads = Counter(
            "ci_itest_uploads", "Uploads by what became of them.", ["result"], registry=self.registry
        )
        self.results = Counter("ci_itest_results", "Results of cases that were kept.", registry=self.registry)
        self.seconds = Histogram(
            "ci_itest_request_seconds",
            "Seconds until a request was answered.",
            ["method", "status"],
            buckets=(0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
            registry=self.registry,
        )
        self.started = Gauge("ci_itest_start_seconds", "When the process started.", registry=self.registry)

    def text(self) -> bytes:
        return generate_latest(self.registry)
