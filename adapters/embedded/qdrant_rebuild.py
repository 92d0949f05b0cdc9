"""Large shards are put in order, and given graphs, without stopping searches and without losing writes.

1. Writes wait while the live shard is flushed and copied; from then on each is also kept in a journal.
2. A process of its own puts the copy in order (`qdrant_builder`): Edge holds the interpreter while it does.
3. The copy is read into the page cache, opened, and given what the journal holds, a little at a time.
4. Writes wait while the last of it is applied and flushed; then ``live.json`` names the copy, and the old shard goes.

Until that file is replaced the old shard has everything, so whenever the process dies nothing is lost: what is left
over of a copy is removed at the next start. A rebuild that fails is tried again after some minutes.
"""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import define, evolve, field
from qdrant_edge import EdgeShard

from adapters.embedded import qdrant_builder
from adapters.embedded.qdrant_collection import (
    FIRST_SHARD,
    Collection,
    EngineFailed,
    Live,
    engine_errors,
    open_shard,
    sync_folder,
    unindexed,
)
from adapters.embedded.qdrant_journal import Journal
from adapters.embedded.qdrant_shards import Shards
from adapters.embedded.supervisor import launch_argv

GRAPH_FROM: Final = 20_000  # points; an exact scan of so many takes some 2 ms
REST_SECONDS: Final = 60.0  # without a write: what somebody is bringing in has come to its end
_LOOK_SECONDS: Final = 2.0
_AGAIN_SECONDS: Final = 300.0  # after one that failed
_ROOM: Final = 2.5  # free space that is needed, by the size of the live shard: a copy and what is built from it
_LAST_BYTES: Final = 1024 * 1024  # of the journal that writes may wait for
_MAX_JOURNAL: Final = 4 * 1024**3  # bytes; more is written than a rebuild can catch up with
_BLOCK: Final = 4 * 1024 * 1024


class NotRebuilt(Exception):
    """Why the shard stays as it is; the message is one line for the operator."""


@define(eq=False)
class Rebuilds:
    """Looks after all collections, one at a time."""

    shards: Shards
    graph_from: int = GRAPH_FROM  # points; 0: no graphs
    _not_before: dict[str, float] = field(factory=dict)

    async def run(self) -> None:
        """Until cancelled; what is under way is given up then."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for collection in self.shards.collections:
                if self._is_due(collection):
                    collection.rebuilding = task = asyncio.create_task(self._rebuild(collection))
                    try:
                        await asyncio.wait({task})
                    finally:
                        task.cancel()
                        await asyncio.wait({task})
                        collection.rebuilding = None

    def _is_due(self, collection: Collection) -> bool:
        if collection not in self.shards.collections or time.monotonic() < self._not_before.get(collection.name, 0.0):
            return False
        with suppress(EngineFailed):  # a search will say so
            return collection.wants_rebuild(self.graph_from, REST_SECONDS)
        return False

    async def _rebuild(self, collection: Collection) -> None:
        try:
            await rebuild(collection, graph=collection.wants_graph(self.graph_from))
        except (NotRebuilt, EngineFailed, OSError) as error:
            self._not_before[collection.name] = time.monotonic() + _AGAIN_SECONDS
            sys.stderr.write(f"qdrant: {collection.name} is not rebuilt: {' '.join(str(error).split())}\n")


async def rebuild(collection: Collection, *, graph: bool) -> None:
    """One rebuild, from the copy to the switch. Raises NotRebuilt, EngineFailed, OSError; the shard is as before."""
    old = collection.folder / collection.live.shard
    new = collection.folder / f"{FIRST_SHARD}-{time.time_ns()}"
    try:
        await _copy_live(collection, old, new)
        if not await _put_in_order(new, collection.folder / "collection.json", graph=graph):
            missing = unindexed(collection.shard, collection.made_by)
            collection.switch(collection.shard, evolve(collection.live, unindexed=missing, removed=0))
            return
        await _in_thread(lambda: _settle(new))
        shard = open_shard(new, collection.made_by)
        live = Live(shard=new.name, unindexed=unindexed(shard, collection.made_by))
        try:
            await _catch_up(collection, shard, _LAST_BYTES)
            async with collection.turn:
                await _catch_up(collection, shard, 0)
                with engine_errors():
                    shard.flush()
                former = collection.shard
                collection.switch(shard, live)
        except BaseException:
            with engine_errors():
                shard.close()
            raise
        with engine_errors():
            former.close()
        new = old  # to be removed
    finally:
        if collection.journal is not None:
            collection.journal.close()
            collection.journal = None
        await _in_thread(lambda: shutil.rmtree(new, ignore_errors=True))


async def _copy_live(collection: Collection, old: Path, new: Path) -> None:
    """Nobody writes meanwhile; afterwards the journal keeps what is written."""
    async with collection.turn:
        collection.flush()
        _check_room(old)
        await _in_thread(lambda: _copy(old, new))
        collection.journal = Journal(new.with_suffix(".journal"))


def _check_room(shard: Path) -> None:
    needed = _ROOM * sum(path.stat().st_blocks * 512 for path in shard.rglob("*"))
    free = shutil.disk_usage(shard).free
    if free < needed:
        raise NotRebuilt(f"it needs {needed / 1e6:.0f} MB on the disk, and {free / 1e6:.0f} MB are free")


async def _put_in_order(shard: Path, collection: Path, *, graph: bool) -> bool:
    """By a process that does not outlive this one. False when there was nothing to do."""
    program = [sys.executable, "-P", "-m", qdrant_builder.__name__, str(shard), str(collection)]
    process = await asyncio.create_subprocess_exec(
        *launch_argv((*program, *(["--graph"] if graph else [])), orphan_signal=signal.SIGKILL, run_as=None),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # it finds us where we were found
    )
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if code not in {0, qdrant_builder.NOTHING_TO_DO}:
        raise NotRebuilt(f"the process that does it ended with {code}")
    return code == 0


async def _catch_up(collection: Collection, shard: EdgeShard, rest: int) -> None:
    """Apply what the journal holds, until no more than `rest` bytes of it wait."""
    journal = collection.journal
    if journal is None:
        raise NotRebuilt("its journal is gone")
    for change in journal.read():
        for operation in change.operations():
            with suppress(EngineFailed), engine_errors():  # what the live shard refused is refused again
                shard.update(operation)
        if journal.waiting <= rest:
            break
        if journal.size > _MAX_JOURNAL:
            raise NotRebuilt("too much is written meanwhile")
        await asyncio.sleep(0)  # searches first


async def _in_thread(work: Callable[[], None]) -> None:
    """Also when cancelled it is waited for: it touches what is removed next."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


def _copy(old: Path, new: Path) -> None:
    for path in sorted(old.rglob("*")):
        target = new / path.relative_to(old)
        if path.is_dir():
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)


def _settle(folder: Path) -> None:
    """All of it reaches the disk, and the page cache: Edge reads mapped files in no order, one page after another."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
            continue
        with path.open("rb") as file:
            os.fsync(file.fileno())
            while file.read(_BLOCK):
                pass
