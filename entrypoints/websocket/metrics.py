"""Numbers of the live side, read when they are asked for."""

from collections import Counter
from collections.abc import Iterator
from typing import Protocol

from attrs import define, field
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from application.rooms_feed import RoomFeeds
from application.rooms_sweep import WatchRooms


class Watched(Protocol):
    """What is looked into."""

    feeds: RoomFeeds
    watch: WatchRooms

    @property
    def active(self) -> int:
        """How many connections there are."""
        ...


@define(eq=False)
class LiveMetrics(Collector):
    """Counts what happens to connections, and looks into the hub for the rest."""

    registry: CollectorRegistry
    events: Counter[str] = field(factory=Counter)
    _hub: Watched | None = None

    def count(self, event: str) -> None:
        """Something happened."""
        self.events[event] += 1

    def watch(self, hub: Watched) -> None:
        """Look into this hub from now on."""
        self._hub = hub
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """The families of this moment."""
        hub = self._hub
        if hub is None:
            return
        feeds, counts = hub.feeds, hub.feeds.counts
        yield GaugeMetricFamily("readingroom_live_connections", "WebSocket connections", value=hub.active)
        yield GaugeMetricFamily("readingroom_live_rooms", "Rooms that are read here", value=len(feeds.rooms()))
        yield GaugeMetricFamily("readingroom_live_readers", "Readings of rooms", value=feeds.readers())
        yield GaugeMetricFamily("readingroom_live_hearing", "The bus is heard", value=float(feeds.bus.is_hearing))
        told = {
            "hole": counts.holes,
            "gap": counts.gaps,
            "lag": counts.lags,
            "event_healed": counts.healed,
            "database_read": counts.reads,
            "event_swept": hub.watch.sweep.swept,
            **feeds.bus.faults,
            **self.events,
        }
        family = CounterMetricFamily("readingroom_live_events", "What the live side went through", labels=["event"])
        for name, value in sorted(told.items()):
            family.add_metric([name], value)
        yield family
