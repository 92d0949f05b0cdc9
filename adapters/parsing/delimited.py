"""Tables as text: comma, semicolon or tab separated values."""

import csv
import io
from collections.abc import Iterator
from itertools import islice
from typing import Final

from adapters.parsing.building import DocumentBuilder
from adapters.parsing.encoding import decode
from adapters.parsing.failures import corrupt
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import ParsedDocument

_DELIMITERS: Final = ",;\t|"
_SAMPLE_ROWS: Final = 50
_SAMPLE_CHARS: Final = 64 * 1024


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Rows as "cell | cell"; the first one names the columns where it looks so. Quotes are taken leniently."""
    text = decode(source.read())
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # of the whole process, so it is never lowered
    builder = DocumentBuilder(limits)
    builder.table(_rows(text, delimiter(text)))
    return builder.finish()


def delimiter(text: str) -> str:
    """The one that divides most rows into the same number of cells, two at least; a comma where none does."""
    sample = text[:_SAMPLE_CHARS]
    best, most = ",", 0
    for candidate in _DELIMITERS:
        widths = [len(row) for row in islice(_rows(sample, candidate), _SAMPLE_ROWS) if row]
        usual = max(set(widths), key=widths.count, default=0)
        agreeing = widths.count(usual) * (usual > 1)
        if agreeing > most:
            best, most = candidate, agreeing
    return best


def _rows(text: str, separator: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    except csv.Error as error:
        raise corrupt("a table of separated values") from error
