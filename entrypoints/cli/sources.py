"""Files on this machine as documents: under which name, from where, and which document came from a file before.

Names and paths need not be text on Linux, and may be longer than what is kept of a document.
"""

import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

from domain.documents import MAX_METADATA_TEXT, clean_filename

PIECE: Final = 256 * 1024  # bytes read at a time
SOURCE: Final = "source"  # metadata key: the path that a document was ingested from

Json = dict[str, Any]


def name_of(path: Path) -> str:
    """The file's name as its document carries it."""
    return clean_filename(path.name)


def shown(path: Path) -> str:
    """A path or name that can be printed and stored: bytes that are no text stand as escapes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def source_metadata(path: Path) -> dict[str, str]:
    """What is kept with a document of where it came from."""
    return {SOURCE: shown(path)[-MAX_METADATA_TEXT:]}


def came_from(candidates: Sequence[Json], path: Path) -> Json | None:
    """The document that was ingested from this path, if there is one."""
    source = source_metadata(path)[SOURCE]
    return next((d for d in candidates if d["metadata"].get(SOURCE) == source), None)


def digest(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def pieces(path: Path) -> AsyncIterator[bytes]:
    """A file in pieces."""
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
