"""One collection of the embedded Qdrant engine: its live shard, and the folder that says which one that is.

::

    NAME/collection.json   the request that made it; written last, removed first
    NAME/live.json         the folder of the live shard and how well it is indexed; replaced as a whole
    NAME/shard*/           Edge's own files; what live.json does not name, journals too, is left over and removed
"""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import qdrant_edge as edge
from attrs import asdict, define, evolve, field, frozen
from qdrant_client.http import models

from adapters.embedded.qdrant_config import edge_config
from adapters.embedded.qdrant_journal import Journal
from adapters.embedded.qdrant_translate import Unsupported
from adapters.embedded.qdrant_updates import Change

FIRST_SHARD = "shard"
_MANY_REMOVED = 1000  # points below which their space is not worth a rebuild, as in Edge
_SHARE = 4  # rebuilt when a fourth of the points is without a graph, or was removed
# While nobody writes a graph is also built for fewer: those outside it are compared one by one in every search.
_SHARE_AT_REST = 50
_PART_AT_REST = 10  # of the points from which there is a graph at all
# To count how rare words are among 50,000 points takes as long as comparing their vectors; the engine knows it of all.
_COUNTED_BELOW = 10_000  # points among which it is counted in no time
_CALM_SECONDS = 1.0  # without a write, before it is looked whether a filter lets all points pass
_CORPORA = 512  # of which that is remembered
_LEAST_ESTIMATE = 2  # any number of scopes that hold all points between them are estimated at 0.63 of these and more


class EngineFailed(Exception):
    """Edge refused or failed an operation that was well formed."""


class NoCollection(Exception):
    """There is no collection or alias of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Not found: Collection `{name}` doesn't exist!")


@contextmanager
def engine_errors() -> Iterator[None]:
    """Edge's errors, and panics of its Rust code, as `EngineFailed`."""
    try:
        yield
    except (Unsupported, NoCollection, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic is a BaseException
        text = str(error).splitlines()
        raise EngineFailed(text[0] if text else type(error).__name__) from error


def never_in_process() -> edge.EdgeOptimizersConfig:
    """For shards that answer: `optimize()` holds the interpreter while it runs, so it is for another process."""
    return edge.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=10**9)


@frozen
class Live:
    """Which shard is live, and what its last rebuild left."""

    shard: str = FIRST_SHARD  # its folder
    unindexed: int = 0  # points that the rebuild left without a graph
    removed: int = 0  # points since then, whose space is not reclaimed


@define(eq=False)
class Collection:
    """An open shard with the request that made it. Used by one thread."""

    name: str
    made_by: models.CreateCollection
    folder: Path
    shard: edge.EdgeShard
    live: Live = field(factory=Live)
    rebuilding: asyncio.Task[None] | None = None
    turn: asyncio.Lock = field(factory=asyncio.Lock)  # held by who writes, and by who needs that nobody does
    journal: Journal | None = None  # of what is written while a rebuild is under way
    _unflushed: bool = False  # updates stand in the log only; they survive the death of the process
    _recorded: int = 0  # of `live.removed`, as live.json has it
    _written: float = field(factory=time.monotonic)  # when it was written last, or opened
    _all: dict[edge.Filter, bool] = field(factory=dict)  # whether they let all points pass, since then or the switch

    @classmethod
    def create(cls, folder: Path, body: models.CreateCollection) -> "Collection":
        """Make its folder. Raises Unsupported, EngineFailed; then nothing is left."""
        config = edge_config(body, never_in_process())
        path = folder / FIRST_SHARD
        path.mkdir(parents=True)
        try:
            with engine_errors():
                shard = edge.EdgeShard.create(str(path), config)
        except EngineFailed:
            shutil.rmtree(folder)
            raise
        replace_file(folder / "collection.json", body.model_dump_json(exclude_unset=True))
        return cls(folder.name, body, folder, shard)

    @classmethod
    def load(cls, folder: Path) -> "Collection":
        """Open what is there. Raises EngineFailed, ValueError, OSError for what is damaged."""
        made_by = models.CreateCollection.model_validate_json((folder / "collection.json").read_bytes())
        live = Live()
        with suppress(FileNotFoundError):
            live = Live(**json.loads((folder / "live.json").read_bytes()))
        for path in folder.glob(f"{FIRST_SHARD}*"):
            if path.is_file():  # a journal
                path.unlink()
            elif path.name != live.shard:
                shutil.rmtree(path)
        shard = open_shard(folder / live.shard, made_by)
        return cls(folder.name, made_by, folder, shard, live, recorded=live.removed)

    async def write(self, change: Change) -> int:
        """Apply and log it; how many operations it was. On return it survives the process.

        Raises Unsupported before anything is done, EngineFailed for what Edge refuses.
        """
        operations = change.operations()
        async with self.turn:
            removes = change.kind in {"delete", "batch"}
            before = self._count() if removes else 0
            try:
                for operation in operations:
                    with engine_errors():
                        self.shard.update(operation)
            finally:  # of several that fail midway the first are done
                self._unflushed, self._written = True, time.monotonic()
                self._all.clear()
                self._note(change)
            if removes:
                self.live = evolve(self.live, removed=self.live.removed + max(0, before - self._count()))
        return len(operations)

    def _note(self, change: Change) -> None:
        """For the rebuild under way. It cannot go on without: where the disk is full it is given up."""
        if self.journal is not None:
            try:
                self.journal.append(change)
            except OSError:
                self.journal.close()
                self.journal = None

    def flush(self) -> None:
        """Write segments to disk, so that the log can be cut; without changes: nothing."""
        if self._unflushed:
            with engine_errors():
                self.shard.flush()
            self._unflushed = False
            if self.live.removed > self._recorded + _MANY_REMOVED:
                self.switch(self.shard, self.live)

    def close(self) -> None:
        """Flush and let go of the files."""
        with engine_errors():
            self.flush()
            if self.live.removed > self._recorded:
                with suppress(OSError):  # on a full disk it is not known of some that they were removed
                    self.switch(self.shard, self.live)
            self.shard.close()

    def switch(self, shard: edge.EdgeShard, live: Live) -> None:
        """From now on, and after a restart, this is the shard."""
        replace_file(self.folder / "live.json", json.dumps(asdict(live)))
        self.shard, self.live, self._recorded = shard, live, live.removed
        self._all.clear()

    def wants_graph(self, graph_from: int) -> bool:
        """Whether it has so many points that exact scans take long; 0: never."""
        return 0 < graph_from <= self._count()

    def wants_rebuild(self, graph_from: int, rest: float) -> bool:
        """Whether many points are without a graph, or take space though they were removed.

        After `rest` seconds without a write, which is a good time for it, fewer points without a graph are enough.
        """
        points = self._count()
        if self.live.removed > max(_MANY_REMOVED, points // _SHARE):
            return True
        fresh = unindexed(self.shard, self.made_by) - self.live.unindexed
        enough = max(graph_from, points // _SHARE)
        if time.monotonic() - self._written >= rest:
            enough = max(graph_from // _PART_AT_REST, points // _SHARE_AT_REST, 1)
        return self.wants_graph(graph_from) and fresh >= enough

    def is_all(self, corpus: edge.Filter) -> bool:
        """Whether every point passes, so that a word is as rare among them as in the whole collection.

        False also where that is not worth finding out, or not known yet. The engine's own numbers include points that
        were removed, until the shard is rebuilt: where these are many it is False.
        """
        if corpus not in self._all:
            if time.monotonic() - self._written < _CALM_SECONDS:
                return False
            if len(self._all) >= _CORPORA:
                self._all.clear()
            self._all[corpus] = self._holds_all(corpus)
        return self._all[corpus]

    def _holds_all(self, corpus: edge.Filter) -> bool:
        points = self._count()
        if points < _COUNTED_BELOW or self.live.removed * _SHARE_AT_REST > points:
            return False
        with engine_errors():
            estimate = self.shard.count(edge.CountRequest(exact=False, filter=corpus))
            if estimate < points // _LEAST_ESTIMATE:
                return False
            return self.shard.count(edge.CountRequest(exact=True, filter=corpus)) == points

    def _count(self) -> int:
        with engine_errors():
            return self.shard.info().points_count


def open_shard(path: Path, made_by: models.CreateCollection) -> edge.EdgeShard:
    """A shard that is there. Edge reads all that it keeps in memory, and holds the interpreter meanwhile.

    It reads maps page by page in no order, so the kernel is asked to read the files in order before.
    """
    for file in path.glob("segments/**/*"):
        if sys.platform == "linux" and file.is_file():
            with file.open("rb") as content:
                os.posix_fadvise(content.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
    with engine_errors():
        return edge.EdgeShard.load(str(path), edge_config(made_by, never_in_process()))


def unindexed(shard: edge.EdgeShard, made_by: models.CreateCollection) -> int:
    """Points whose dense vectors are in no graph. Edge counts indexed vectors; sparse ones always are."""
    dense = len(made_by.vectors) if isinstance(made_by.vectors, dict) else int(made_by.vectors is not None)
    with engine_errors():
        info = shard.info()
    missing = info.points_count * (dense + len(made_by.sparse_vectors or {})) - info.indexed_vectors_count
    return max(0, missing) // max(1, dense)


def replace_file(path: Path, text: str) -> None:
    """Replace a file as a whole, or not at all."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Its names reach the disk."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
