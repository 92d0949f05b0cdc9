"""How fast text is ingested, and how much of that is the embedding model's own time.

``python benchmarks/ingest.py FOLDER --files 200 --concurrency 4`` uploads files of the folder into a new installation
of embedded engines in a temporary directory, lets one worker read them, then embeds the very same passages by the
encoder alone: all at once, by the same server, past every cache. Prints both, their ratio, and the most memory that
all processes held together.
"""

import argparse
import asyncio
import os
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from secrets import token_hex

import psutil
from attrs import define, field

from adapters.embedding.client import HttpEmbedder
from application.authentication import Identity
from application.ports.document_repositories import DocumentQuery
from application.use_cases import UseCases
from domain.access import Actor
from domain.documents import DocumentStatus
from domain.titles import below_title
from entrypoints.engines import Stance
from entrypoints.host import Host, open_host
from entrypoints.logging import configure_logging
from entrypoints.settings import load_settings
from entrypoints.worker import working

MIB = 1024 * 1024


@define
class Memory:
    """Looks at a process and those below it every so often; looking is not cheap."""

    root: psutil.Process = field(factory=psutil.Process)
    every: float = 2.0  # seconds
    peak: int = 0  # bytes, proportional set size where the system tells it
    parts: dict[str, int] = field(factory=dict)  # at that moment, by the module or program
    _over: threading.Event = field(factory=threading.Event)

    def watch(self) -> None:
        """Until `stop`."""
        while not self._over.wait(self.every):
            self.look()

    def look(self) -> int:
        """Bytes now."""
        found: dict[str, int] = {}
        for process in (self.root, *self.root.children(recursive=True)):
            try:
                name, held = name_of(process), process.memory_full_info().pss
            except (psutil.Error, AttributeError):
                continue
            found[name] = found.get(name, 0) + held
        if sum(found.values()) > self.peak:
            self.peak, self.parts = sum(found.values()), found
        return sum(found.values())

    def stop(self) -> None:
        """No more looks."""
        self._over.set()


def name_of(process: psutil.Process) -> str:
    """Its module where it is one of Python's, else its program."""
    line = process.cmdline()
    if not line:
        return process.name()
    return line[line.index("-m") + 1] if "-m" in line else Path(line[0].split(":")[0]).name


def processor_seconds() -> dict[str, float]:
    """What each process below this one, and this one, has used so far; by its module, where it is one of Python's."""
    used: dict[str, float] = {}
    for process in (me := psutil.Process(), *me.children(recursive=True)):
        try:
            name, times = "this" if process == me else name_of(process), process.cpu_times()
        except psutil.Error:
            continue
        used[name] = used.get(name, 0.0) + times.user + times.system + times.children_user + times.children_system
    return used


async def content_of(path: Path) -> AsyncIterator[bytes]:
    """A file's bytes."""
    yield await asyncio.to_thread(path.read_bytes)


async def newcomer(use_cases: UseCases) -> Actor:
    """Somebody with a workspace."""
    made = await use_cases.create_user(email="bench@example.org", password=token_hex(16), name="Bench")
    return await use_cases.enter_workspace(Identity(user_id=made.user.id), made.workspace.id)


async def ingested(host: Host, actor: Actor, files: Sequence[Path]) -> tuple[float, float]:
    """Seconds for the uploads, and for the reading of all of them."""
    started = time.perf_counter()
    for path in files:
        await host.use_cases.upload_document(actor, content=content_of(path), filename=path.name)
    uploaded = time.perf_counter()
    async with working(host):
        while await _waiting(host, actor):  # noqa: ASYNC110 it is the database that knows
            await asyncio.sleep(0.5)
        return uploaded - started, time.perf_counter() - uploaded


async def _waiting(host: Host, actor: Actor) -> bool:
    for status in (DocumentStatus.QUEUED, DocumentStatus.PROCESSING):
        query = DocumentQuery(readable=actor.readable_collections, status=status)
        if await host.use_cases.list_documents(actor, query=query, limit=1):
            return True
    return False


async def passages(host: Host, actor: Actor) -> list[str]:
    """What was embedded: each passage below its document's title."""
    texts: list[str] = []
    begin = host.container.ports().begin
    async with begin(actor.workspace_id) as work:
        states = await work.documents.inventory(actor.workspace_id, limit=100_000)
        found = [await work.documents.get(state.id) for state in states]
        titles = {document.id: document.spoken_title for document in found if document is not None}
        after = None
        while chunks := await work.passages.of_documents(list(titles), limit=5000, after=after):
            texts += [below_title(titles[chunk.document_id], chunk.text_to_embed) for chunk in chunks]
            after = chunks[-1].id
    return texts


async def encoder_alone(host: Host, texts: Sequence[str]) -> float:
    """Seconds that the model takes for all of them, by length, in large batches."""
    settings, recipe = host.settings, (await host.use_cases.generations.live()).generation.recipe
    key = settings.embedding_api_key
    embedder = HttpEmbedder(
        settings.embedding_url or "",
        api_key=key.get_secret_value() if key else None,
        model=recipe.model,
        name=recipe.name,
        dimensions=recipe.dimensions,
    )
    await embedder.embed_passages(["warm"])
    ordered = sorted(texts, key=len)
    started = time.perf_counter()
    await asyncio.gather(*(embedder.embed_passages(ordered[n : n + 256]) for n in range(0, len(ordered), 256)))
    seconds = time.perf_counter() - started
    await embedder.aclose()
    return seconds


async def measure(files: Sequence[Path], concurrency: int) -> None:
    """All of it, printed."""
    with tempfile.TemporaryDirectory(prefix="rr-") as root:
        settings = load_settings(data_dir=Path(root) / "data", worker_concurrency=concurrency)
        configure_logging(log_format="console", level="error")
        async with open_host(settings, role="benchmark", stance=Stance.OWNER) as host:
            actor = await newcomer(host.use_cases)
            await (await host.use_cases.generations.live()).embedder.embed_query("warm")
            memory = Memory()
            looking = threading.Thread(target=memory.watch, daemon=True)
            looking.start()
            before = processor_seconds()
            upload_seconds, seconds = await ingested(host, actor, files)
            between = processor_seconds()
            memory.stop()
            texts = await passages(host, actor)
            begun = processor_seconds()
            alone = await encoder_alone(host, texts)
            after = processor_seconds()
    chars = sum(map(len, texts))
    print(f"{len(files)} files, {len(texts)} passages, {chars / 1e6:.2f} million characters, {os.cpu_count()} cores")
    print(f"upload   {upload_seconds:6.1f} s  {len(files) / upload_seconds:6.0f} files/s")
    print(f"ingest   {seconds:6.1f} s  {len(texts) / seconds:6.0f} passages/s  (concurrency {concurrency})")
    print(f"encoder  {alone:6.1f} s  {len(texts) / alone:6.0f} passages/s")
    spent = {name: round(used - before.get(name, 0.0), 1) for name, used in between.items()}
    needed = sum(after.values()) - sum(begun.values())
    print(f"processor seconds of the ingest {spent}, of the encoder {needed:.1f}")
    print(f"ratio    {alone / seconds:6.2f}   by processor time {needed / sum(spent.values()):.2f}")
    print(f"peak memory of all processes {memory.peak / MIB:.0f} MiB")


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=2)
    arguments = parser.parse_args()
    files = [path for path in sorted(arguments.folder.rglob("*")) if path.is_file()][: arguments.files]
    asyncio.run(measure(files, arguments.concurrency))


if __name__ == "__main__":
    main()
