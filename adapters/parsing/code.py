"""Source code and configuration: the text to the letter, divided where the outermost definitions begin."""

import re
from typing import Final

from adapters.parsing.building import DocumentBuilder, clean
from adapters.parsing.encoding import decode
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import BlockKind, ParsedDocument

_OUTERMOST: Final = re.compile(r"\n[^\S\n]*\n+(?=[^\s})\]])")  # empty lines, then a line without indentation


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Blocks of code, one empty line apart."""
    return blocks(decode(source.read()), DocumentBuilder(limits)).finish()


def blocks(text: str, builder: DocumentBuilder) -> DocumentBuilder:
    """Write the parts of a program into `builder`, and give it back."""
    for part in _OUTERMOST.split(clean(text)):
        builder.add(BlockKind.CODE, part.rstrip())
    return builder
