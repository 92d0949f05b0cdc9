"""One child process that reads files, as its parent sees it."""

import asyncio
import contextlib
import os
import pickle
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from adapters.parsing import child
from adapters.parsing.child import LENGTH, Answer, Request
from adapters.parsing.formats import Format
from adapters.parsing.limits import Limits

_KEPT_STDERR: Final = 4096  # bytes, the last ones
_BUFFER: Final = 1024 * 1024
_MEMORY_WORDS: Final = (  # of Python, C++, C libraries and Rust
    b"MemoryError",
    b"bad_alloc",
    b"out of memory",
    b"Out of memory",
    b"Cannot allocate memory",
    b"memory allocation of",
)
_DECODED_IN_LOOP: Final = 128 * 1024  # bytes; more is decoded in a thread


class ChildGone(Exception):
    """The process ended instead of answering."""


class TooMuchOutput(Exception):
    """The process wants to send more than it may."""


class ParsingProcess:
    """A running child. Not for two files at once."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._stderr = b""
        self._drain = asyncio.create_task(self._keep_stderr())
        self._killed = False
        self.files = 0  # asked so far

    @classmethod
    async def start(cls, formats: Mapping[str, Format], limits: Limits) -> "ParsingProcess":
        """A fresh child. It inherits the module path and the locale, and no other part of the environment,
        since that is where a service keeps its secrets.
        """
        environment = {
            name: os.environ[name] for name in ("LANG", "LC_ALL", "PATH", "LD_LIBRARY_PATH") if name in os.environ
        }
        environment |= {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONUTF8": "1"}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            child.__name__,
            str(limits.memory_bytes),
            str(os.getpid()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            limit=_BUFFER,
        )
        started = cls(process)
        try:
            await started._send(pickle.dumps(dict(formats)))
        except BaseException:
            started.kill()
            raise
        return started

    @property
    def alive(self) -> bool:
        """False once its end was noticed."""
        return self._process.returncode is None and not self._killed

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def ask(self, path: Path, media_type: str, limits: Limits) -> Answer:
        """Its answer. Raises `ChildGone`, `TooMuchOutput`; an answer that is not well formed counts as gone."""
        self.files += 1
        self._stderr = b""
        await self._send(msgspec.json.encode(Request(path=str(path), media_type=media_type, limits=limits)))
        stdout = self._process.stdout
        if stdout is None:
            raise ChildGone
        try:
            length = int.from_bytes(await stdout.readexactly(LENGTH))
            if length > limits.max_output_bytes:
                raise TooMuchOutput
            data = await stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ChildGone from error
        try:
            if length < _DECODED_IN_LOOP:
                return msgspec.json.decode(data, type=Answer)
            return await asyncio.to_thread(msgspec.json.decode, data, type=Answer)
        except msgspec.DecodeError as error:
            raise ChildGone from error

    def kill(self) -> None:
        """At once, whatever it does."""
        self._killed = True
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def ended(self) -> int:
        """Wait for the end and free what belongs to it; the return code, negative for a signal."""
        code = await self._process.wait()
        await self._drain
        if self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(ConnectionError):
                await self._process.stdin.wait_closed()
        return code

    def was_killed(self, code: int) -> bool:
        """Whether somebody else did it."""
        return code == -signal.SIGKILL and not self._killed

    def ran_out_of_memory(self, code: int) -> bool:
        """Whether its end looks so: with a complaint of its allocator, or given up in silence, which is PDFium's way (a
        C library or a Rust one that aborts over a fault of its own says what it is).
        """
        return (code == -signal.SIGABRT and not self._stderr.strip()) or any(
            word in self._stderr for word in _MEMORY_WORDS
        )

    async def _send(self, data: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise ChildGone
        try:
            stdin.write(len(data).to_bytes(LENGTH))
            stdin.write(data)
            await stdin.drain()
        except (ConnectionError, RuntimeError) as error:
            raise ChildGone from error

    async def _keep_stderr(self) -> None:
        stderr = self._process.stderr
        while stderr is not None and (piece := await stderr.read(_KEPT_STDERR)):
            self._stderr = (self._stderr + piece)[-_KEPT_STDERR:]
