"""Files that keep what children print, within bounds."""

import os
from contextlib import suppress
from pathlib import Path
from typing import IO, ClassVar

_LIMIT = 10 * 1024 * 1024  # bytes
_TAIL = 8192  # bytes looked at for the last words


class LogFile:
    """One log with one predecessor (``NAME.1``), each at most about 10 MiB.

    Children write into it themselves, so it goes on when we are gone; they append, so it may be cut under them.
    """

    CHECK_EVERY: ClassVar[float] = 30.0  # seconds between two looks at the size

    def __init__(self, path: Path, *, limit: int = _LIMIT) -> None:
        self._path = path
        self._limit = limit
        self._begin = 0

    def open(self) -> IO[bytes]:
        """For a new child to write to, readable by us alone."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        self._begin = os.fstat(file.fileno()).st_size
        return file

    def rotate(self) -> None:
        """Put a long one aside, while nobody writes."""
        if self._size() > self._limit:
            self._path.replace(self._predecessor)

    def cut(self) -> None:
        """Copy a long one aside and empty it, while a child writes; lines written in between are lost."""
        if self._size() > self._limit:
            with suppress(OSError):  # no room for the copy: then there is none
                self._predecessor.write_bytes(self._path.read_bytes()[-self._limit :])
            os.truncate(self._path, 0)
            self._begin = 0

    def last_words(self) -> str:
        """What the present child said last before it ended, preferring a line that looks like the cause; "" if none."""
        with suppress(OSError), self._path.open("rb") as file:
            file.seek(max(self._begin, self._size() - _TAIL))
            lines = [line.strip() for line in file.read(_TAIL).decode(errors="replace").splitlines() if line.strip()]
            causes = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "Fatal", "Error"))]
            return (causes or lines or [""])[-1][-300:]
        return ""

    @property
    def _predecessor(self) -> Path:
        return self._path.with_name(self._path.name + ".1")

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0
