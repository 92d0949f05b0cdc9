"""Who uses a data directory."""

import fcntl
import json
import os
from pathlib import Path
from typing import Self

from adapters.embedded.errors import DataDirectoryInUse


class FileLock:
    """A lock that the system takes back when its process ends, however it ends. Not inherited by children."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def try_acquire(cls, path: Path, *, shared: bool = False) -> Self | None:
        """Hold it, alone or together with other shared holders; None when others prevent that."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def write(self, text: str) -> None:
        """Put a note for others into the locked file."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)

    def release(self) -> None:
        """Let others have it; doing so twice is no error."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Ownership:
    """The right to run engines on a data directory: one process at a time has it."""

    def __init__(self, lock: FileLock, data_dir: Path, role: str) -> None:
        self._lock = lock
        self._data_dir = data_dir
        self._role = role

    @classmethod
    def acquire(cls, data_dir: Path, *, role: str) -> Self:
        """Take it, or raise `DataDirectoryInUse`. Call `announce` once traces of the last owner are gone."""
        lock = FileLock.try_acquire(data_dir / "lock")
        if lock is None:
            pid, owner_role = read_owner(data_dir)
            raise DataDirectoryInUse(pid, data_dir, owner_role)
        return cls(lock, data_dir, role)

    def announce(self) -> None:
        """Write down who has it."""
        self._lock.write(json.dumps({"pid": os.getpid(), "role": self._role}))

    def release(self) -> None:
        """Give it back."""
        self._lock.release()


def read_owner(data_dir: Path) -> tuple[int | None, str]:
    """Process id and role of the one who announced itself last, alive or not; (None, "") when nobody did."""
    try:
        note = json.loads((data_dir / "lock").read_text(encoding="utf-8"))
        return int(note["pid"]), str(note["role"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, ""
