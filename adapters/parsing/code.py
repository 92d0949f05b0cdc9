"""Source code and configuration: the text to the letter, divided where the outermost definitions begin."""

import re
from typing import Final

from adapters.parsing.building import DocumentBuilder
from adapters.parsing.encoding import decode
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import BlockKind, ParsedDocument

_OUTERMOST: Final = re.compile(r"\n[^\S\n]*\n+(?=[^\s})\]])")  # empty lines, then a line without indentation


def read(source: Source, limits: Limits) -> ParsedDocument:
    """The text itself, to the letter."""
    return blocks(decode(source.read()), DocumentBuilder(limits)).finish()


def blocks(text: str, builder: DocumentBuilder) -> DocumentBuilder:
    """Write the parts of a program into `builder`, and give it back."""
    builder.verbatim(BlockKind.CODE, text, between=_OUTERMOST)
    return builder
