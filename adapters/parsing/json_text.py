"""JSON and JSON Lines: keys and values as an indented outline, without the braces and quotes."""

import json
from collections.abc import Iterator
from typing import Any, Final

from adapters.parsing import code
from adapters.parsing.building import DocumentBuilder
from adapters.parsing.encoding import decode
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import BlockKind, ParsedDocument

_MAX_DEPTH: Final = 200


class _Pairs(list[tuple[str, Any]]):
    """An object with its keys in order, repeated ones too."""


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_Pairs, parse_int=str, parse_float=str, parse_constant=str, strict=False
)  # figures stay as they are written


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Each record of a list, or each key of the outermost object, is a block of lines "key: value".

    What is not valid JSON is kept as it is written. Raises RecursionError for nesting beyond all sense.
    """
    text = decode(source.read()).removeprefix("\ufeff")
    builder = DocumentBuilder(limits)
    try:
        records = _records(text)
    except ValueError:
        return code.blocks(text, builder).finish()
    for record in records:
        builder.add(BlockKind.CODE, "\n".join(_outline(record, 0)))
    return builder.finish()


def _records(text: str) -> list[Any]:
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError:
        return [_DECODER.decode(line) for line in text.splitlines() if line.strip()]  # a value a line
    if isinstance(value, _Pairs):
        return [_Pairs([pair]) for pair in value]
    return value if isinstance(value, list) else [value]


def _outline(value: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise RecursionError
    indent = "  " * depth
    match value:
        case _Pairs():
            for key, inner in value:
                if isinstance(inner, list) and inner:
                    yield f"{indent}{key}:"
                    yield from _outline(inner, depth + 1)
                else:
                    yield f"{indent}{key}: {_scalar(inner)}"
        case list():
            for inner in value:
                if isinstance(inner, list) and inner:
                    lines = _outline(inner, depth + 1)
                    yield f"{indent}- {next(lines).lstrip()}"
                    yield from lines
                else:
                    yield f"{indent}- {_scalar(inner)}"
        case _:
            yield f"{indent}{_scalar(value)}"


def _scalar(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case _:
            return ""  # an empty object or list
