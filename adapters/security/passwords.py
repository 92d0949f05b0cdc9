"""Passwords by Argon2id (RFC 9106)."""

import asyncio
import importlib.util
import os
import runpy
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError

from application.errors import HasherBusy
from application.ports.security import PasswordHasher

T = TypeVar("T")

# OWASP Password Storage Cheat Sheet: m=19 MiB, t=2, p=1 is its first recommendation for Argon2id.
MEMORY_KIB: Final = 19 * 1024
TIME_COST: Final = 2
PARALLELISM: Final = 1
NICENESS: Final = 10  # a tenth of the share of a thread that has not stepped back
MOST_WAITING: Final = 40  # for each thread: two or three seconds
RETRY_AFTER: Final = 3.0  # seconds
_NEVER_COMMON: Final = 64  # characters that are looked at; the longest password on the list is shorter
_TRIVIAL_UNIT: Final = 3  # "aaaa…", "abab…" and "123123…" need no list
_ROWS: Final = ("0123456789", "1234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm", "qwertyuiop[]")
_WALKS: Final = tuple(row * (_NEVER_COMMON // len(row) + 2) for line in _ROWS for row in (line, line[::-1]))
_PADDING: Final = "0123456789!?.,-_*#@$%&+= "


class Argon2Passwords(PasswordHasher):
    """Hashes in at most `concurrency` threads at a time (argon2 works without the GIL); the rest wait in line.

    Each hash in work takes 19 MiB, so the number of threads bounds the memory as well. The line is bounded too: whoever
    finds more than `most_waiting` for each thread before them is told to come back, since they would not wait for so
    long anyway. `close()` ends the threads.
    """

    def __init__(
        self,
        *,
        concurrency: int | None = None,
        most_waiting: int = MOST_WAITING,
        memory_kib: int = MEMORY_KIB,
        time_cost: int = TIME_COST,
        parallelism: int = PARALLELISM,
    ) -> None:
        self._argon2 = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)
        threads = concurrency or os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="passwords", initializer=_step_back)
        self._room = threads * (1 + most_waiting)
        self._nobodys = self._argon2.hash(os.urandom(16).hex())
        self._common: frozenset[str] | None = None

    async def hash(self, password: str) -> str:
        """A PHC string with a new salt."""
        return await self._in_turn(self._argon2.hash, _encoded(password))

    async def verify(self, password: str, password_hash: str | None) -> bool:
        """Whether they belong together. No user: the same work on a hash that nobody knows the password of."""
        matches = await self._in_turn(self._matches, _encoded(password), password_hash or self._nobodys)
        return matches and password_hash is not None

    def needs_rehash(self, password_hash: str) -> bool:
        """Whether it was made with other parameters, or is none of ours."""
        try:
            return self._argon2.check_needs_rehash(password_hash)
        except InvalidHashError:
            return True

    def is_common(self, password: str) -> bool:
        """Whether it is one of the 30,000 most used passwords, in any case; also one of them repeated, or padded
        at the end with digits and punctuation to no more than twice its length, as people do to reach a minimum,
        and a walk along the digits, the alphabet or a row of keys.
        """
        if self._common is None:
            self._common = _common_passwords()
        folded = password[:_NEVER_COMMON].strip().lower()
        stem = folded.rstrip(_PADDING)
        if len(stem) * 2 < len(folded):
            stem = folded
        if any(folded in walk for walk in _WALKS):
            return True
        units = {_smallest_period(folded), _smallest_period(stem)}
        return any(len(unit) <= _TRIVIAL_UNIT or unit in self._common for unit in units)

    def close(self) -> None:
        """End the threads; hashes that wait are dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_turn(self, work: Callable[..., T], *arguments: object) -> T:
        if self._room <= 0:
            raise HasherBusy("Too many passwords wait to be compared.", retry_after=RETRY_AFTER)
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        finally:
            self._room += 1

    def _matches(self, password: bytes, password_hash: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except (Argon2Error, InvalidHashError):
            return False


def _step_back() -> None:
    """Let the event loop's thread go first where processors are short: a flood of logins waits for itself.

    Linux keeps a niceness for each thread; elsewhere it would be that of the whole process, and is left alone.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)


def _encoded(password: str) -> bytes:
    """UTF-8; lone surrogates, which JSON can carry, are kept apart rather than refused."""
    return password.encode(errors="surrogatepass")


def _smallest_period(text: str) -> str:
    """The shortest string whose repetition is `text`, often `text` itself."""
    return text[: (text + text).find(text, 1)]


def _common_passwords() -> frozenset[str]:
    """The list that zxcvbn brings (the most frequent of several leaks).

    Its data module is loaded by file, because importing the package ranks six dictionaries: 13 MB that nobody uses.
    """
    package = importlib.util.find_spec("zxcvbn")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("zxcvbn is not installed")
    namespace = runpy.run_path(str(Path(package.submodule_search_locations[0]) / "frequency_lists.py"))
    return frozenset(namespace["FREQUENCY_LISTS"]["passwords"])
