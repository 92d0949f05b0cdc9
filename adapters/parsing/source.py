"""What a reader is given: a file on disk, or a part of another file such as a mail's attachment."""

import io
from pathlib import Path

from attrs import frozen


@frozen(kw_only=True)
class Source:
    """One of `path` and `data` holds the bytes. Parts are kept in memory: a reader cannot write files."""

    path: Path | None = None
    data: bytes = b""
    depth: int = 0  # how many files it is inside of

    def open(self) -> io.BytesIO | io.BufferedReader:
        """A stream from the first byte, which the caller closes."""
        return io.BytesIO(self.data) if self.path is None else self.path.open("rb")

    def read(self) -> bytes:
        """All bytes."""
        return self.data if self.path is None else self.path.read_bytes()

    def part(self, data: bytes) -> "Source":
        """A file inside this one."""
        return Source(data=data, depth=self.depth + 1)
