"""Multipart uploads, read as they come: the file goes straight on, whatever its size, and is never held."""

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from attrs import define, field
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from domain.errors import InvalidInput, UnsupportedMediaType
from entrypoints.http.limits import is_too_deep

if TYPE_CHECKING:  # the library names its types for checkers only
    from python_multipart.multipart import MultipartCallbacks

FILE: Final = "file"
MAX_FIELD_BYTES: Final = 64 * 1024
MAX_PARTS: Final = 128
_EXTENDED: Final = re.compile(r";\s*filename\*=([\w-]+)'[\w-]*'([^;\s]*)", re.ASCII | re.IGNORECASE)


@define
class _Part:
    """The part being read."""

    headers: dict[bytes, bytes] = field(factory=dict)
    name: str = ""
    is_file: bool = False
    value: bytearray = field(factory=bytearray)


@define(eq=False)
class Upload:
    """A multipart form with one file, whose fields may stand before or after it.

    `await begin()`, then read `content()` to its end: by then the fields that follow the file are known as well, and
    a second file, or a body that breaks off, has raised `InvalidInput`.
    """

    request: Request
    filename: str | None = None
    fields: dict[str, list[str]] = field(factory=dict)
    _pieces: list[bytes] = field(factory=list)  # of the file, from the last write to the parser
    _part: _Part = field(factory=_Part)
    _parts: int = 0
    _header: bytearray = field(factory=bytearray)
    _value: bytearray = field(factory=bytearray)
    _file_begun: bool = False
    _ended: bool = False
    _chunks: AsyncIterator[bytes] = field(init=False)
    _parser: MultipartParser = field(init=False)

    def __attrs_post_init__(self) -> None:
        kind, options = parse_options_header(self.request.headers.get("content-type"))
        if kind != b"multipart/form-data":
            raise UnsupportedMediaType("Send the file as multipart/form-data, in a part called `file`.")
        if not options.get(b"boundary"):
            raise _malformed("The Content-Type names no boundary.")
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._on_part_begin,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_headers_finished": self._on_headers_finished,
            "on_end": self._on_end,
        }
        try:
            self._parser = MultipartParser(options[b"boundary"], callbacks)
        except FormParserError as error:
            raise _malformed("The boundary is too long.") from error
        self._chunks = self.request.stream()

    async def begin(self) -> None:
        """Read as far as the file; `InvalidInput` when there is none."""
        while not self._file_begun and await self._read():
            pass
        if not self._file_begun:
            raise InvalidInput("Send one file in the part `file`.", code="missing_file", pointer="/file")

    async def content(self) -> AsyncIterator[bytes]:
        """The bytes of the file."""
        while True:
            pieces, self._pieces = self._pieces, []
            for piece in pieces:
                yield piece
            if not await self._read():
                return

    async def _read(self) -> bool:
        """One more piece of the body; False when it was the last."""
        async for chunk in self._chunks:
            if chunk:
                try:
                    self._parser.write(chunk)
                except FormParserError as error:
                    raise _malformed("The multipart body cannot be read.") from error
                return True
        if not self._ended:
            raise _malformed("The multipart body breaks off.")
        return False

    def _on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise _malformed(f"A form has at most {MAX_PARTS} parts.")
        self._part = _Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._part.headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        disposition = self._part.headers.get(b"content-disposition", b"").decode("latin-1")
        _, options = parse_options_header(disposition)
        self._part.name = _text(options.get(b"name", b""))
        filename = options.get(b"filename", _extended_filename(disposition))
        if self._part.name != FILE:
            if filename is not None:
                raise InvalidInput(
                    "Only the part `file` may be a file.", code="unexpected_file", pointer=f"/{self._part.name}"
                )
            return
        if self._file_begun:
            raise InvalidInput("Send one file at a time.", code="too_many_files", pointer="/file")
        self._part.is_file = True
        self._file_begun = True
        # Browsers escape a quote as %22 (WHATWG HTML, multipart/form-data encoding).
        self.filename = None if filename is None else _text(filename).replace("%22", '"')

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part.is_file:
            self._pieces.append(data[start:end])
            return
        self._part.value += data[start:end]
        if len(self._part.value) > MAX_FIELD_BYTES:
            raise InvalidInput(
                f"A field holds at most {MAX_FIELD_BYTES} bytes.", code="field_too_large", pointer=f"/{self._part.name}"
            )

    def _on_part_end(self) -> None:
        if not self._part.is_file:
            try:
                value = self._part.value.decode()
            except UnicodeDecodeError as error:
                raise InvalidInput("Text is sent as UTF-8.", pointer=f"/{self._part.name}") from error
            if "\0" in value:
                raise InvalidInput("Text must not hold NUL characters.", pointer=f"/{self._part.name}")
            self.fields.setdefault(self._part.name, []).append(value)

    def _on_end(self) -> None:
        self._ended = True

    def one(self, name: str) -> str | None:
        """A field that stands at most once; empty counts as missing."""
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise InvalidInput(f"Send `{name}` once.", pointer=f"/{name}")
        return values[0] if values and values[0].strip() else None

    def json_object(self, name: str) -> Mapping[str, Any] | None:
        """A field that holds a JSON object."""
        text = self.one(name)
        if text is None:
            return None
        try:
            value = None if is_too_deep(text.encode()) else json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise InvalidInput(f"`{name}` is a JSON object.", pointer=f"/{name}")
        return value


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _extended_filename(disposition: str) -> bytes | None:
    """`filename*` (RFC 8187). Forms should not have it, but some clients write names beyond ASCII in no other way."""
    found = _EXTENDED.search(disposition)
    if found is None:
        return None
    try:
        return unquote(found[2], encoding=found[1], errors="replace").encode()
    except LookupError:  # of that encoding
        return None


def _malformed(message: str) -> InvalidInput:
    return InvalidInput(message, code="malformed_multipart", pointer="")
