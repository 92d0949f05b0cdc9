"""From bytes to text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from domain.passages import ParsedDocument


@frozen(kw_only=True)
class DetectedType:
    """What content is, decided from the bytes with the name as a hint."""

    media_type: str
    supported: bool


class MediaTypes(Protocol):
    """Tells formats apart."""

    def detect(self, head: bytes, filename: str) -> DetectedType:
        """From the first bytes (8 KiB at most). Never raises; unknown content is
        ``application/octet-stream``, not supported. A PDF called .txt is a PDF.
        """
        ...


class Parser(Protocol):
    """Reads files in children with limits, so that a hostile file harms only itself."""

    async def parse(self, path: Path, media_type: str) -> ParsedDocument:
        """The document's text and structure.

        Raises `application.errors.ParsingFailed` with a code and a message that a person understands,
        whatever is wrong with the file or its reader, and never anything else; cancelling the call kills the child.
        """
        ...

    async def close(self) -> None:
        """Stop all children. Parses under way end with `ParsingFailed`; further ones are refused."""
        ...


class TokenCounter(Protocol):
    """The embedder's own idea of length."""

    @property
    def max_tokens(self) -> int:
        """What the embedder reads of a text at most, without its special tokens."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones, in order."""
        ...
