"""Opening zip containers that may be bombs."""

import zipfile
import zlib
from collections.abc import Iterator
from typing import Final, Self

from adapters.parsing.failures import corrupt, encrypted, too_much_text
from adapters.parsing.limits import MIB, Limits
from adapters.parsing.source import Source

MAX_MEMBERS: Final = 20_000
MAX_RATIO: Final = 250  # of a single member; XML of real documents stays below 60
RATIO_MATTERS_FROM: Final = 8 * MIB
OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PIECE: Final = 64 * 1024


class Container:
    """A zip container whose members are read within limits.

    Refuses before anything is unpacked: too many members, too much declared, too high a ratio. What is read is
    counted too, since the declared sizes are the file's own claim. Use as a context manager.
    """

    def __init__(self, source: Source, limits: Limits, *, what: str) -> None:
        self._what = what
        self._left = limits.max_unpacked_bytes
        self._file = source.open()
        if self._file.read(len(OLE)) == OLE:  # Office wraps what it encrypts in the container of its older formats
            self._file.close()
            raise encrypted(what)
        try:
            self._zip = zipfile.ZipFile(self._file)
        except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError, RuntimeError) as error:
            raise corrupt(what) from error
        members = self._zip.infolist()
        if len(members) > MAX_MEMBERS:
            raise too_much_text(f"{len(members):,} files inside one {what}")
        if sum(member.file_size for member in members) > limits.max_unpacked_bytes:
            raise too_much_text(f"it unpacks to more than {limits.max_unpacked_bytes // MIB:,} MiB")
        for member in members:
            if member.file_size > RATIO_MATTERS_FROM and member.file_size > max(member.compress_size, 1) * MAX_RATIO:
                raise too_much_text("it unpacks to many times its size, as no real document does")
        self._members = {member.filename: member for member in members}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._file.close()

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self) -> tuple[str, ...]:
        """Of all members, in the order of the container's directory."""
        return tuple(self._members)

    def read(self, name: str) -> bytes | None:
        """A member's bytes, None when there is none of that name; `corrupt_file` if it cannot be unpacked."""
        member = self._members.get(name)
        if member is None:
            return None
        if member.flag_bits & 1:
            raise encrypted(self._what)
        return b"".join(self._unpacked(member))

    def check(self) -> None:
        """Unpack all and keep nothing: before a library that trusts the sizes unpacks them by itself."""
        for member in self._members.values():
            if not member.flag_bits & 1:
                for _ in self._unpacked(member):
                    pass

    def _unpacked(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        try:
            with self._zip.open(member) as stream:
                while piece := stream.read(_PIECE):
                    self._left -= len(piece)
                    if self._left < 0:
                        raise too_much_text("it unpacks to far more than it declares")
                    yield piece
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise corrupt(self._what) from error
