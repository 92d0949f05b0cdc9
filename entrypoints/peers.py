"""The numbers of all API processes behind one address, told by whichever of them is asked.

Each process answers on a Unix socket in a folder that their parent made. The numbers are not added up: each carries
the name of its process, so that what began anew with a restarted process is seen as that, and Prometheus adds.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from attrs import frozen
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from entrypoints.telemetry import Metrics

LABEL: Final = "process"
PATIENCE: Final = 1.0  # seconds for a sibling to answer; one that does not is left out


@frozen
class Peers:
    """This process among its siblings."""

    folder: Path
    name: str
    metrics: Metrics

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Tell siblings this process's numbers while the context lasts."""

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(self.metrics.render())
            writer.write_eof()
            await writer.drain()
            writer.close()

        socket = self.folder / self.name
        socket.unlink(missing_ok=True)  # of a process of this name that died
        server = await asyncio.start_unix_server(answer, socket)
        try:
            yield
        finally:
            server.close()
            socket.unlink(missing_ok=True)

    async def render(self) -> bytes:
        """The numbers of all that answer, in Prometheus' text format."""
        names = sorted(path.name for path in self.folder.iterdir() if path.name != self.name)
        told = await asyncio.gather(*(ask(self.folder / name) for name in names))
        texts = {name: text for name, text in zip(names, told, strict=True) if text is not None}
        return merged({self.name: self.metrics.render(), **texts})


async def ask(socket: Path) -> bytes | None:
    """The numbers of the process that answers there; None while none does."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                return await reader.read()
            finally:
                writer.close()
    except OSError:  # also when it takes too long
        return None


def merged(texts: Mapping[str, bytes]) -> bytes:
    """By a process's name: its numbers. All of them, each with the name of its process."""
    families: dict[str, Metric] = {}
    for process, text in sorted(texts.items()):
        for family in text_string_to_metric_families(text.decode()):
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            known.samples += [sample._replace(labels={**sample.labels, LABEL: process}) for sample in family.samples]
    registry = CollectorRegistry()
    registry.register(_Told(families.values()))
    return generate_latest(registry)


@frozen
class _Told(Collector):
    families: Iterable[Metric]

    def collect(self) -> Iterator[Metric]:
        yield from self.families
