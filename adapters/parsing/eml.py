"""Mail (RFC 5322 and MIME): the headers that people read, the body, and what is attached."""

import email
from collections.abc import Iterator
from email.message import Message
from email.policy import compat32
from typing import Final

from adapters.parsing.building import DocumentBuilder, one_line
from adapters.parsing.detection import media_type_of
from adapters.parsing.encoding import decode
from adapters.parsing.formats import FORMATS, Format
from adapters.parsing.html import add_pieces, declared_encoding, tree
from adapters.parsing.html_blocks import visible_pieces
from adapters.parsing.limits import Limits
from adapters.parsing.mail_headers import decoded, filename
from adapters.parsing.plain import EMPTY_LINES
from adapters.parsing.source import Source
from application.errors import ParsingFailed
from domain.passages import BlockKind, ParsedDocument

_SHOWN: Final = ("From", "To", "Cc", "Bcc", "Reply-To", "Date", "Subject")
_MAX_HEADER: Final = 5_000  # characters of one
_CLOSED: Final = "[Not opened: too many attachments, or too deep inside others.]"
_MUCH_MORE: Final = 2  # times as much text in the HTML part: the plain one is a stub


def read(source: Source, limits: Limits) -> ParsedDocument:
    """The subject as heading and title, the headers a line each, the body, then each attachment below its name.

    Attachments are read as files of their own would be, mails inside mails too, `limits.max_nesting` deep; of one
    that cannot be read, or is not opened, that is said below its name. The plain part of a body is taken unless it is
    a stub beside the HTML.
    """
    message = email.message_from_bytes(source.read(), policy=compat32)
    builder = DocumentBuilder(limits)
    reading = _Reading(builder, limits)
    subject = reading.message(message, source, level=1)
    return builder.finish(title=subject)


class _Reading:
    def __init__(self, builder: DocumentBuilder, limits: Limits) -> None:
        self._builder = builder
        self._limits = limits
        self._parts = 0

    def message(self, message: Message, source: Source, *, level: int) -> str:
        """Write a mail; its subject."""
        known = {
            name.lower(): one_line(decoded(value)[:_MAX_HEADER]) for name, value in reversed(list(message.raw_items()))
        }
        subject = known.get("subject", "")
        self._builder.add(BlockKind.HEADING, subject, level=level)
        lines = [f"{name}: {known[name.lower()]}" for name in _SHOWN if known.get(name.lower())]
        self._builder.add(BlockKind.PARAGRAPH, "\n".join(lines))
        attached: list[Message] = []
        for part in _shown_parts(message, attached):
            self._body(part)
        for part in attached:
            self._attachment(part, source, level=level + 1)
        return subject

    def _body(self, part: Message) -> None:
        if part.get_content_type() == "text/html":
            try:
                add_pieces(self._builder, visible_pieces(tree(text_of(part))))
            except ParsingFailed:
                return  # a page without anything in it
        else:
            self._builder.verbatim(BlockKind.PARAGRAPH, text_of(part), between=EMPTY_LINES)

    def _attachment(self, part: Message, source: Source, *, level: int) -> None:
        self._parts += 1
        name = filename(part)
        is_closed = source.depth >= self._limits.max_nesting
        if part.get_content_type() == "message/rfc822" and isinstance(inner := part.get_payload(), list) and inner:
            if is_closed:
                self._builder.add(BlockKind.PARAGRAPH, _CLOSED)
            elif isinstance(inner[0], Message):
                self.message(inner[0], source.part(b""), level=level)
            return
        data = bytes_of(part)
        media_type = media_type_of(data[:8192], name)
        if name:
            self._builder.add(BlockKind.HEADING, name, level=level)
        format_ = FORMATS.get(media_type)
        if format_ is None:
            return
        if is_closed or self._parts > self._limits.max_parts:
            self._builder.add(BlockKind.PARAGRAPH, _CLOSED)
        else:
            self._file(format_, source.part(data), level=level)

    def _file(self, format_: Format, source: Source, *, level: int) -> None:
        try:
            document = format_.load()(source, self._limits)
        except ParsingFailed as error:
            self._builder.add(BlockKind.PARAGRAPH, f"[{error.failure.message}]")
        except (MemoryError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 what a reader breaks down on is this part's failure, not the mail's
            self._builder.add(BlockKind.PARAGRAPH, "[The attachment could not be read; it may be damaged.]")
        else:
            self._builder.include(document, below=level)


def _shown_parts(part: Message, attached: list[Message]) -> Iterator[Message]:
    """The parts that are the body, in order; the others are put into `attached`."""
    kind = part.get_content_type()
    is_attached = (part.get_content_disposition() == "attachment") or (bool(filename(part)) and kind != "text/plain")
    if is_attached or kind.startswith("message/"):
        attached.append(part)
    elif part.is_multipart():
        inner = [one for one in part.get_payload() if isinstance(one, Message)]
        if kind == "multipart/alternative":
            chosen = _alternative(inner)
            inner = [one for one in inner if one is chosen]
        for one in inner:
            yield from _shown_parts(one, attached)
    elif kind in {"text/plain", "text/html"} and not filename(part):
        yield part
    elif part.get_content_maintype() == "text" or filename(part):
        attached.append(part)


def _alternative(parts: list[Message]) -> Message | None:
    plain = next((part for part in parts if part.get_content_type() == "text/plain"), None)
    rich = [part for part in parts if part.get_content_type() != "text/plain"]
    if plain is None:
        return rich[-1] if rich else None
    if not rich or rich[-1].is_multipart() or rich[-1].get_content_type() != "text/html":
        return plain
    try:
        shown = sum(len(piece.text) for piece in visible_pieces(tree(text_of(rich[-1]))))
    except ParsingFailed:
        return plain
    return rich[-1] if shown > _MUCH_MORE * len(text_of(plain).strip()) else plain


def bytes_of(part: Message) -> bytes:
    """A part's content, decoded from base64 and the like as far as it goes."""
    try:
        data = part.get_payload(decode=True)
    except (ValueError, LookupError, TypeError, AssertionError):
        return b""
    return data if isinstance(data, bytes) else b""


def text_of(part: Message) -> str:
    """A part's text by the encoding it names, if that fits."""
    data = bytes_of(part)
    try:
        declared = part.get_content_charset()
    except (ValueError, LookupError, TypeError, AttributeError):
        declared = None
    if declared is None and part.get_content_type() == "text/html":
        declared = declared_encoding(data)
    return decode(data, declared)
