"""The `Parser` port: files are read in child processes that a hostile file can only take down with itself.

A child has bounds on address space, processor time, open files and written files; the parent bounds wall time
and the size of the answer. A child is used for many files, one at a time, and then replaced.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import structlog

from adapters.parsing.child import Answer
from adapters.parsing.failures import failed, too_much_text
from adapters.parsing.formats import FORMATS, Format
from adapters.parsing.limits import MIB, Limits
from adapters.parsing.processes import ChildGone, ParsingProcess, TooMuchOutput
from application.errors import ParsingFailed
from domain.documents import Failure, FailureCode
from domain.passages import ParsedDocument

_log = structlog.get_logger(__name__)

FILES_PER_CHILD: Final = 200
CHILDREN: Final = 3  # that are tried on a file while their ends may not be its doing
_SPENT: Final = {FailureCode.PARSE_MEMORY, FailureCode.PARSE_TIMEOUT}  # after these a child is not used again


class KilledFromOutside(ParsingFailed):
    """A child was killed, and not by us: by the system, which had no memory left, or by somebody."""


class SandboxedParser:
    """See the port. `concurrency` children at most (default: one a core)."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        concurrency: int | None = None,
        files_per_child: int = FILES_PER_CHILD,
        formats: Mapping[str, Format] = FORMATS,
    ) -> None:
        self._limits = limits or Limits()
        self._concurrency = concurrency or os.cpu_count() or 1
        self._slots = asyncio.Semaphore(self._concurrency)
        self._files_per_child = files_per_child
        self._formats = formats
        self._idle: list[ParsingProcess] = []
        self._busy: set[ParsingProcess] = set()
        self._ending: set[asyncio.Task[int]] = set()
        self._closed = False

    async def parse(self, path: Path, media_type: str) -> ParsedDocument:
        """See the port."""
        if media_type not in self._formats:
            raise failed(FailureCode.UNSUPPORTED_MEDIA_TYPE, f"Files of the type {media_type} are not read.")
        async with self._slots:
            answer = await self._answer(path, media_type)
        if answer.document is not None:
            if not consistent(answer.document):
                raise self._report("parse_inconsistent", media_type, _crashed())
            return answer.document
        failure = failed(answer.code or FailureCode.PARSE_FAILED, answer.message or "The file could not be read.")
        raise self._report("parse_failed", media_type, failure, where=answer.where)

    async def close(self) -> None:
        """See the port."""
        self._closed = True
        for process in (*self._idle, *self._busy):
            process.kill()
        for process in self._idle:
            self._retire(process)
        self._idle.clear()
        for _ in range(self._concurrency):  # every parse under way or waiting ends now, and gives its slot back
            await self._slots.acquire()
        while self._ending:
            await asyncio.wait(self._ending)
        for _ in range(self._concurrency):
            self._slots.release()

    async def _answer(self, path: Path, media_type: str) -> Answer:
        """A child that was used before may have been harmed by an earlier file, and one that was killed from outside
        may have had nothing to do with its end: both are tried once more afresh.
        """
        process = await self._take()
        for _ in range(CHILDREN - 1):
            try:
                return await self._ask(process, path, media_type)
            except ParsingFailed as error:
                if self._closed or not _may_be_chance(error, process):
                    raise
            process = await self._start()
        return await self._ask(process, path, media_type)

    async def _take(self) -> ParsingProcess:
        while self._idle:
            process = self._idle.pop()
            if process.alive:
                return process
            self._retire(process)
        return await self._start()

    async def _start(self) -> ParsingProcess:
        if self._closed:
            raise _stopped()
        try:
            process = await ParsingProcess.start(self._formats, self._limits)
        except (OSError, ChildGone) as error:
            raise failed(FailureCode.PARSER_CRASHED, "No process could be started to read the file.") from error
        return process

    async def _ask(self, process: ParsingProcess, path: Path, media_type: str) -> Answer:
        reusable = False
        self._busy.add(process)
        try:
            if self._closed:
                raise _stopped()  # while it was being started
            size = await asyncio.to_thread(_size, path)
            async with asyncio.timeout(self._limits.wall_seconds + self._limits.wall_seconds_per_mib * size / MIB):
                answer = await process.ask(path, media_type, self._limits)
            reusable = answer.code not in _SPENT
        except TimeoutError as error:
            raise self._report("parse_timeout", media_type, _timeout()) from error
        except TooMuchOutput as error:
            raise self._report(
                "parse_output", media_type, too_much_text("its text and layout are too large")
            ) from error
        except ChildGone as error:
            raise self._report("parser_crashed", media_type, await self._crash(process)) from error
        finally:
            self._busy.discard(process)
            if reusable and process.files < self._files_per_child and not self._closed:
                self._idle.append(process)
            else:
                self._retire(process)
        return answer

    async def _crash(self, process: ParsingProcess) -> ParsingFailed:
        if self._closed:
            return _stopped()
        try:
            async with asyncio.timeout(1):
                code = await process.ended()
        except TimeoutError:  # it closed its pipe and lives on
            return _crashed()
        if code == -signal.SIGXCPU:
            return _timeout()
        if process.was_killed(code):
            message = "The system ended the reading of the file, as it does when the machine has no memory left."
            return KilledFromOutside(Failure(code=FailureCode.PARSE_MEMORY, message=message))
        if process.ran_out_of_memory(code):
            return failed(FailureCode.PARSE_MEMORY, "Reading the file needs more memory than is allowed.")
        return _crashed()

    def _retire(self, process: ParsingProcess) -> None:
        process.kill()
        task = asyncio.create_task(process.ended())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _report(self, event: str, media_type: str, error: ParsingFailed, where: str = "") -> ParsingFailed:
        _log.info(event, media_type=media_type, code=error.failure.code.value, where=where)
        return error


def consistent(document: ParsedDocument) -> bool:
    """Whether all places lie within the text, in order: a child is not trusted to have kept the rule."""
    length = len(document.text)
    ordered = all(a.char_to <= b.char_from for a, b in pairwise(document.blocks)) and all(
        a.char_to <= b.char_from and a.number < b.number for a, b in pairwise(document.pages)
    )
    return (
        ordered
        and "\0" not in document.text
        and all(0 <= block.char_from <= block.char_to <= length for block in document.blocks)
        and all(0 <= page.char_from <= page.char_to <= length for page in document.pages)
        and all(
            0 <= span.char_from <= span.char_to <= page.char_to - page.char_from
            for page in document.pages
            for span in page.spans
        )
    )


def _may_be_chance(error: ParsingFailed, process: ParsingProcess) -> bool:
    if isinstance(error, KilledFromOutside):
        return True
    return process.files > 1 and error.failure.code is FailureCode.PARSER_CRASHED


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # the child says what is wrong


def _timeout() -> ParsingFailed:
    return failed(FailureCode.PARSE_TIMEOUT, "Reading the file takes longer than is allowed.")


def _crashed() -> ParsingFailed:
    return failed(FailureCode.PARSER_CRASHED, "The reader broke down on this file; it may be damaged.")


def _stopped() -> ParsingFailed:
    return failed(FailureCode.PARSER_CRASHED, "The service stopped while the file was being read.")
