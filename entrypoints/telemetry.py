"""Numbers for Prometheus."""

import asyncio
from collections.abc import Callable
from typing import Any

from attrs import define, frozen
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from application.ports.system import Log

__all__ = ["CONTENT_TYPE_LATEST", "MeasuredLog", "Metrics"]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


@define(init=False)
class Metrics:
    """The measures of one application; several in one process do not mix."""

    registry: CollectorRegistry
    requests: Counter
    seconds: Histogram
    in_progress: Gauge
    answers_active: Gauge
    asyncio_tasks: Gauge
    citations_dropped: Counter
    warnings: Counter
    _of_route: dict[tuple[str, str, int], tuple[Counter, Histogram]]

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._of_route = {}
        ProcessCollector(registry=self.registry)
        labels = ("method", "route", "status")
        self.requests = Counter("readingroom_http_requests", "Requests answered", labels, registry=self.registry)
        self.seconds = Histogram(
            "readingroom_http_request_seconds",
            "Time to the end of the answer, streams included",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "readingroom_http_requests_in_progress", "Requests being answered", registry=self.registry
        )
        self.answers_active = Gauge(
            "readingroom_answers_active", "Answers being written by this process", registry=self.registry
        )
        self.asyncio_tasks = Gauge(
            "readingroom_asyncio_tasks", "Tasks of the event loop that are not over", registry=self.registry
        )
        self.citations_dropped = Counter(
            "readingroom_citations_dropped", "Citations that failed their check", registry=self.registry
        )
        self.warnings = Counter(
            "readingroom_log_events", "Warnings and errors by event", ("level", "event"), registry=self.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request more."""
        key = (method, route, status)
        measures = self._of_route.get(key)
        if measures is None:  # looking one up by its labels costs more than counting
            measures = self._of_route[key] = (self.requests.labels(*key), self.seconds.labels(method, route))
        measures[0].inc()
        measures[1].observe(seconds)

    def watch_answers(self, active: Callable[[], float]) -> None:
        """Ask this for the number of answers being written whenever the numbers are read."""
        self.answers_active.set_function(active)

    def render(self) -> bytes:
        """The numbers in Prometheus' text format. Called where an event loop runs."""
        self.asyncio_tasks.set(len(asyncio.all_tasks()))
        return generate_latest(self.registry)


@frozen
class MeasuredLog:
    """A log whose warnings and errors are counted by event."""

    log: Log
    metrics: Metrics

    def info(self, event: str, **facts: Any) -> Any:
        """Something worth knowing happened."""
        return self.log.info(event, **facts)

    def warning(self, event: str, **facts: Any) -> Any:
        """Something went wrong and was dealt with."""
        self.metrics.warnings.labels("warning", event).inc()
        if event == "citations_dropped":
            self.metrics.citations_dropped.inc(float(facts.get("count", 1)))
        return self.log.warning(event, **facts)

    def error(self, event: str, **facts: Any) -> Any:
        """Something went wrong and somebody should look."""
        self.metrics.warnings.labels("error", event).inc()
        return self.log.error(event, **facts)
