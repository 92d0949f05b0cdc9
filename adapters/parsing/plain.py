"""Plain text in any encoding: paragraphs are what empty lines divide."""

import re
from typing import Final

from adapters.parsing.building import DocumentBuilder
from adapters.parsing.encoding import decode
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import BlockKind, ParsedDocument

EMPTY_LINES: Final = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def read(source: Source, limits: Limits) -> ParsedDocument:
    """The text itself, to the letter."""
    builder = DocumentBuilder(limits)
    builder.verbatim(BlockKind.PARAGRAPH, decode(source.read()), between=EMPTY_LINES)
    return builder.finish()
