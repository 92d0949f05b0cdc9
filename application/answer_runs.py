"""Answers being written: they outlive the readers that asked for them.

A run writes its events to a feed in this process, which costs nothing and cannot fail. From there they are copied to
the `RunLog`, which other processes read, at the log's own pace: a slow or absent engine slows no answer, and when it
comes back it is given what it missed. While a process writes, it beats for all its runs at once, and keeps
checkpoints of all of them in one transaction; whoever stops beating has died, and `application.lost_answers` ends its
runs.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import define, field

from application.errors import ApplicationError, CacheUnavailable, ConcurrentChange, Unavailable
from application.ports.runs import RunEvent, RunLog
from application.ports.system import Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.retelling import draft_of
from domain.ids import MessageId

KEPT_FEEDS: Final = 64  # ended runs that this process can still repeat by itself
SHUTDOWN_GRACE: Final = 5.0  # seconds that answers have to end by themselves when the server stops
CHECKPOINT_EVERY: Final = 2.0  # seconds
BEAT_EVERY: Final = 1.0  # seconds; also the longest time until a cancel from another process is seen
LEASE: Final = timedelta(seconds=10)  # without a beat for so long, a writer counts as dead
COPY_EVERY: Final = 0.02  # seconds between two writes to the log of a run, at least
COPY_SHARE: Final = 0.002  # seconds more for each run of this process, so that many runs write larger pieces
COPY_LATEST: Final = 0.4  # seconds, however many there are
COPY_TIMEOUT: Final = 2.0  # seconds for one write to the log
COPY_PATIENCE: Final = 60.0  # seconds after the end of a run during which a log that is down is tried again
CLOSE_PATIENCE: Final = 2.0  # seconds that the log has when the process stops


class RunLost(Exception):
    """This process was silent for so long that the run was ended by another."""


@define(eq=False)
class Run:
    """One answer being written by this process."""

    message_id: MessageId
    runs: "AnswerRuns"
    events: list[RunEvent] = field(factory=list)
    cancelled: asyncio.Event = field(factory=asyncio.Event)
    is_lost: bool = False
    kept: int = 0  # events that the last checkpoint covers
    _grown: asyncio.Condition = field(factory=asyncio.Condition)

    async def emit(self, name: str, data: Mapping[str, Any]) -> None:
        """Add the next event. `RunLost` when it turns out that the run is no longer ours."""
        await self.runs.assure_alive()
        if self.is_lost:
            raise RunLost
        await self.tell(name, data)

    async def tell(self, name: str, data: Mapping[str, Any]) -> None:
        """Add the next event whatever happened."""
        async with self._grown:
            self.events.append(RunEvent(offset=len(self.events) + 1, name=name, data=data))
            self._grown.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether its last event was written."""
        return bool(self.events) and self.events[-1].is_last

    async def longer_than(self, count: int) -> None:
        """Wait until there are more events than that, or no more will come."""
        async with self._grown:
            await self._grown.wait_for(lambda: len(self.events) > count or self.is_over)

    async def read(self, after: int) -> AsyncIterator[RunEvent]:
        """Events after that offset, those to come too, until the last."""
        position = after
        while True:
            await self.longer_than(position)
            fresh = self.events[position:]
            for event in fresh:
                yield event
            position += len(fresh)
            if not fresh or fresh[-1].is_last:
                return


@define(eq=False)
class AnswerRuns:
    """The runs of this process."""

    begin: UnitOfWorkFactory
    log: RunLog
    report: Log
    _tasks: dict[MessageId, asyncio.Task[None]] = field(factory=dict)
    _copies: set[asyncio.Task[None]] = field(factory=set)
    _runs: OrderedDict[MessageId, Run] = field(factory=OrderedDict)
    _beating: asyncio.Task[None] | None = None
    _beat_at: float = 0.0  # when a beat was last tried, on the loop's clock
    _beat_lock: asyncio.Lock = field(factory=asyncio.Lock)
    _keeping: asyncio.Task[None] | None = None
    _keep_at: float = 0.0

    def start(self, message_id: MessageId, write: Callable[[Run], Awaitable[None]]) -> Run:
        """Begin writing in the background. `write` must emit the last event itself, whatever happens."""
        run = Run(message_id=message_id, runs=self)
        self._runs[message_id] = run
        if not self._tasks:
            self._beat_at = asyncio.get_running_loop().time()
            self._keep_at = self._beat_at + CHECKPOINT_EVERY
        task = asyncio.ensure_future(_as_coroutine(write(run)))
        self._tasks[message_id] = task
        task.add_done_callback(lambda _: self._ended(message_id))
        copying = asyncio.create_task(self._copy(run))
        self._copies.add(copying)
        copying.add_done_callback(self._copies.discard)
        if self._beating is None or self._beating.done():
            self._beating = asyncio.create_task(self._keep_beating())
        return run

    def _ended(self, message_id: MessageId) -> None:
        task = self._tasks.pop(message_id)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.report.error("answer_run_broke", message_id=str(message_id), error=repr(error))
        over = [key for key in self._runs if key not in self._tasks]
        for key in over[: max(0, len(over) - KEPT_FEEDS)]:
            del self._runs[key]

    def find(self, message_id: MessageId) -> Run | None:
        """The run, if this process writes it or wrote it lately."""
        return self._runs.get(message_id)

    def cancel(self, message_id: MessageId) -> bool:
        """Stop it if it is written here; False when it is not."""
        run = self._runs.get(message_id)
        if run is not None:
            run.cancelled.set()
        return run is not None

    @property
    def active(self) -> int:
        """How many are being written."""
        return len(self._tasks)

    async def assure_alive(self) -> None:
        """Beat before anything else is told, where this process stood still for longer than its lease lasts."""
        if asyncio.get_running_loop().time() - self._beat_at > LEASE.total_seconds():
            async with self._beat_lock:
                if asyncio.get_running_loop().time() - self._beat_at > LEASE.total_seconds():
                    await self._beat()

    async def _keep_beating(self) -> None:
        while self._tasks:
            await asyncio.sleep(BEAT_EVERY)
            async with self._beat_lock:
                await self._beat()
            now = asyncio.get_running_loop().time()
            if now >= self._keep_at and (self._keeping is None or self._keeping.done()):
                self._keep_at = now + CHECKPOINT_EVERY
                self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        """Checkpoints of all that grew, in one transaction; a database that is slow or away slows nothing."""
        grown = [run for key, run in self._runs.items() if key in self._tasks and len(run.events) > run.kept]
        told, drafts = [], []
        for run in grown:
            told.append(len(run.events))
            drafts.append(draft_of(run.message_id, run.events))
            await asyncio.sleep(0)  # readers are told in between
        try:
            async with self.begin(None) as work:
                await work.runs.keep(drafts)
                await work.commit()
        except ApplicationError as error:
            self.report.warning("checkpoint_missed", answers=len(grown), error=error.slug)
        else:
            for run, count in zip(grown, told, strict=True):
                run.kept = count

    async def _beat(self) -> None:
        """Say that all runs live, and learn which of them others cancelled or ended."""
        writing = list(self._tasks)
        try:
            async with self.begin(None) as work:
                told = await work.runs.beat(writing)
                await work.commit()
        except Unavailable as error:  # nobody can end them meanwhile either
            self.report.warning("answer_beat_missed", error=error.slug)
            told = dict.fromkeys(writing, False)
        self._beat_at = asyncio.get_running_loop().time()
        for message_id in writing:
            run = self._runs.get(message_id)
            if run is None or message_id not in self._tasks:
                continue
            if message_id not in told:
                run.is_lost = True
                run.cancelled.set()
            elif told[message_id]:
                run.cancelled.set()

    async def _copy(self, run: Run) -> None:
        """Give the log what it does not have, until it has everything."""
        loop = asyncio.get_running_loop()
        copied, is_down, give_up_at = 0, False, float("inf")
        while not (run.is_over and copied >= len(run.events)):
            await run.longer_than(copied)
            if run.is_over and give_up_at == float("inf"):
                give_up_at = loop.time() + COPY_PATIENCE
            try:
                async with asyncio.timeout(COPY_TIMEOUT):
                    copied = await self.log.append(run.message_id, run.events[copied:])
                is_down = False
            except ConcurrentChange:
                run.is_lost = True
                run.cancelled.set()
                return
            except (CacheUnavailable, TimeoutError):
                if not is_down:
                    self.report.warning("run_log_lost", message_id=str(run.message_id), offset=copied)
                is_down = True
                if loop.time() > give_up_at:
                    return
                await asyncio.sleep(BEAT_EVERY / 2)
            await asyncio.sleep(min(COPY_EVERY + COPY_SHARE * self.active, COPY_LATEST))

    def end_soon(self, grace: float = SHUTDOWN_GRACE) -> None:
        """Give what is being written `grace` seconds, then interrupt it; each run saves what it has."""
        tasks = list(self._tasks.values())
        asyncio.get_running_loop().call_later(grace, _interrupt, tasks)

    async def close(self) -> None:
        """Interrupt what is still being written; each saves what it has."""
        await asyncio.sleep(0)  # a run that was just started begins, so that it can save its end
        tasks = dict(self._tasks)
        _interrupt([task for key, task in tasks.items() if not self._runs[key].cancelled.is_set()])
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        if self._copies:
            await asyncio.wait(self._copies, timeout=CLOSE_PATIENCE)
        rest = [*self._copies, *(task for task in (self._beating, self._keeping) if task is not None)]
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


def _interrupt(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if not task.cancelling():  # a second time would cut off the saving of what it has
            task.cancel()


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable
