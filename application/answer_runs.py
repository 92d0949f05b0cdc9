"""Answers being written: they outlive the readers that asked for them.

A run writes its events twice: to a feed in this process, which costs nothing and cannot fail, and to the `RunLog`,
from which any other process reads. Without the log (its engine is down) readers elsewhere are given the message.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final

from attrs import define, field

from application.errors import CacheUnavailable
from application.ports.runs import RunEvent, RunLog
from application.ports.system import Log
from domain.ids import MessageId

KEPT_FEEDS: Final = 64  # ended runs that this process can still repeat by itself
SHUTDOWN_GRACE: Final = 5.0  # seconds that answers have to end by themselves when the server stops
CANCEL_POLL: Final = 0.5  # seconds until a cancel asked for on another process is seen


@define(eq=False)
class Run:
    """One answer being written by this process."""

    message_id: MessageId
    log: RunLog
    report: Log
    events: list[RunEvent] = field(factory=list)
    cancelled: asyncio.Event = field(factory=asyncio.Event)
    _grown: asyncio.Condition = field(factory=asyncio.Condition)
    _log_is_whole: bool = True

    async def emit(self, name: str, data: Mapping[str, Any]) -> None:
        """Add the next event. A log that fails is given up for this run: offsets may not have gaps."""
        event = RunEvent(offset=len(self.events) + 1, name=name, data=data)
        async with self._grown:
            self.events.append(event)
            self._grown.notify_all()
        if self._log_is_whole:
            try:
                await self.log.append(self.message_id, event)
            except CacheUnavailable:
                self._log_is_whole = False
                self.report.warning("run_log_lost", message_id=str(self.message_id), offset=event.offset)

    @property
    def is_over(self) -> bool:
        """Whether its last event was written."""
        return bool(self.events) and self.events[-1].is_last

    async def read(self, after: int) -> AsyncIterator[RunEvent]:
        """Events after that offset, those to come too, until the last."""
        position = after
        while True:
            async with self._grown:
                while len(self.events) <= position and not self.is_over:
                    await self._grown.wait()
                fresh = self.events[position:]
            for event in fresh:
                yield event
            position += len(fresh)
            if not fresh or fresh[-1].is_last:
                return

    async def watch_cancel(self) -> None:
        """Return when somebody, on any process, asked to stop."""
        while not self.cancelled.is_set():
            try:
                await asyncio.wait_for(self.cancelled.wait(), CANCEL_POLL)
            except TimeoutError:
                try:
                    if await self.log.cancel_requested(self.message_id):
                        return
                except CacheUnavailable:
                    continue


@define(eq=False)
class AnswerRuns:
    """The runs of this process."""

    log: RunLog
    report: Log
    _tasks: dict[MessageId, asyncio.Task[None]] = field(factory=dict)
    _runs: OrderedDict[MessageId, Run] = field(factory=OrderedDict)

    def start(self, message_id: MessageId, write: Callable[[Run], Awaitable[None]]) -> Run:
        """Begin writing in the background. `write` must emit the last event itself, whatever happens."""
        run = Run(message_id=message_id, log=self.log, report=self.report)
        self._runs[message_id] = run
        task = asyncio.ensure_future(_as_coroutine(write(run)))
        self._tasks[message_id] = task
        task.add_done_callback(lambda _: self._ended(message_id))
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

    async def cancel(self, message_id: MessageId) -> None:
        """Stop it wherever it is written; one that is over or unknown is left as it is."""
        run = self._runs.get(message_id)
        if run is not None:
            run.cancelled.set()
            return
        await self.log.request_cancel(message_id)

    @property
    def active(self) -> int:
        """How many are being written."""
        return len(self._tasks)

    def end_soon(self, grace: float = SHUTDOWN_GRACE) -> None:
        """Give what is being written `grace` seconds, then interrupt it; each run saves what it has."""
        tasks = list(self._tasks.values())

        asyncio.get_running_loop().call_later(grace, _interrupt, tasks)

    async def close(self) -> None:
        """Interrupt what is still being written; each saves what it has."""
        await asyncio.sleep(0)  # a run that was just started begins, so that it can save its end
        tasks = list(self._tasks.values())
        _interrupt(tasks)
        await asyncio.gather(*tasks, return_exceptions=True)


def _interrupt(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        if not task.cancelling():  # a second time would cut off the saving of what it has
            task.cancel()


async def _as_coroutine(awaitable: Awaitable[None]) -> None:
    await awaitable
