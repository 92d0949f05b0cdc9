"""A process that hashes passwords, started as a module by `HashingProcess`, told what to do over its standard input.

Hashing is nice, and has to be: a flood of logins waits for itself. In a thread of the server it would be nice while it
holds Python's lock, too, and every request would wait for a thread that nobody hurries. It also frees 19 MiB each time,
for which the processors of all threads of a process are halted.

Frames are a length of four bytes, big-endian, and that many bytes. The process ends with its standard input, and so
with its parent, however that ends.
"""

import os
import signal
import subprocess
import sys
from typing import IO, Final

import argon2
from argon2.exceptions import Argon2Error, InvalidHashError

NICENESS: Final = 10  # a tenth of the share of who has not stepped back
_LENGTH: Final = 4  # bytes
_PATIENCE: Final = 5.0  # seconds for a process to end that has nothing more to do


class HashingProcess:
    """One child, started when it is first asked, and again when somebody has killed it. Not for two threads at once."""

    def __init__(self, hasher: argon2.PasswordHasher) -> None:
        self._costs = [str(cost) for cost in (hasher.time_cost, hasher.memory_cost, hasher.parallelism)]
        self._process: subprocess.Popen[bytes] | None = None

    def hash(self, password: bytes) -> str:
        """A PHC string with a new salt."""
        return self._ask(b"", password).decode()

    def verify(self, password_hash: str, password: bytes) -> bool:
        """Whether they belong together; a hash that cannot be read belongs to none."""
        return self._ask(password_hash.encode(errors="replace") or b"\0", password) == b"1"

    def close(self) -> None:
        """Let it end."""
        process, self._process = self._process, None
        if process is None or process.stdin is None or process.stdout is None:
            return
        try:
            process.stdin.close()
            process.wait(_PATIENCE)
        except (OSError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        finally:
            process.stdout.close()

    def _ask(self, password_hash: bytes, password: bytes) -> bytes:
        """Asked again where the first process is gone, which harms nothing; `OSError` when the second one is, too."""
        try:
            return self._exchange(password_hash, password)
        except OSError:
            self.close()
            return self._exchange(password_hash, password)

    def _exchange(self, password_hash: bytes, password: bytes) -> bytes:
        process = self._process = self._process or self._started()
        if process.stdin is None or process.stdout is None:
            raise BrokenPipeError
        send(process.stdin, password_hash, password)
        answer = receive(process.stdout)
        if answer is None:
            raise BrokenPipeError
        return answer

    def _started(self) -> "subprocess.Popen[bytes]":
        inherited = {name: os.environ[name] for name in ("LANG", "LC_ALL", "LD_LIBRARY_PATH") if name in os.environ}
        return subprocess.Popen(
            [sys.executable, "-P", "-m", __name__, *self._costs],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=inherited | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )


def send(stream: IO[bytes], *parts: bytes) -> None:
    """Each as a frame."""
    stream.write(b"".join(len(part).to_bytes(_LENGTH) + part for part in parts))
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next frame, None at the end."""
    head = stream.read(_LENGTH)
    return stream.read(int.from_bytes(head)) if len(head) == _LENGTH else None


def main() -> None:
    """Serve until the parent closes the pipe, or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the parent
    os.nice(NICENESS)
    time_cost, memory_kib, parallelism = map(int, sys.argv[1:])
    hasher = argon2.PasswordHasher(time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while (password_hash := receive(requests)) is not None and (password := receive(requests)) is not None:
        send(answers, _matches(hasher, password_hash, password) if password_hash else hasher.hash(password).encode())


def _matches(hasher: argon2.PasswordHasher, password_hash: bytes, password: bytes) -> bytes:
    try:
        return b"1" if hasher.verify(password_hash.decode(), password) else b"0"
    except (Argon2Error, InvalidHashError, UnicodeError):
        return b"0"


if __name__ == "__main__":
    main()
