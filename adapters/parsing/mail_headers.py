"""What is in a mail's headers, in any encoding (RFC 2047, RFC 2231, raw bytes)."""

import binascii
import re
from email.message import Message
from email.utils import collapse_rfc2231_value
from typing import Final

from adapters.parsing.encoding import decode

_WORD: Final = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN: Final = re.compile(r"(?<=\?=)\s+(?==\?)")  # white space that divides encoded words only
_ESCAPE: Final = re.compile(rb"=([0-9A-Fa-f]{2})")


def decoded(value: object) -> str:
    """A header's value as text; never raises. Bytes that are no ASCII are taken for UTF-8 or guessed."""
    text = decode(str(value).encode("ascii", "surrogateescape")) if _is_raw(str(value)) else str(value)
    parts: list[str] = []
    waiting, charset, place = b"", "", 0
    text = _BETWEEN.sub("", text)
    for match in _WORD.finditer(text):
        between, name = text[place : match.start()], match.group(1).partition("*")[0].lower()
        if between or name != charset:  # a character may be divided between words of one charset
            parts += [_text(waiting, charset), between]
            waiting, charset = b"", name
        waiting += _bytes(match.group(2), match.group(3))
        place = match.end()
    parts += [_text(waiting, charset), text[place:]]
    return "".join(parts)


def filename(part: Message) -> str:
    """What an attachment is called; empty where it has no name."""
    try:
        for header, parameter in (("content-disposition", "filename"), ("content-type", "name")):
            value = part.get_param(parameter, None, header)
            if value:
                return " ".join(decoded(collapse_rfc2231_value(value)).split())
    except (ValueError, LookupError, TypeError, AttributeError):
        pass  # headers that the library cannot take apart
    return ""


def _is_raw(value: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in value)


def _bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return _ESCAPE.sub(lambda match: bytes.fromhex(match.group(1).decode()), data.replace(b"_", b" "))
    try:
        return binascii.a2b_base64(data + b"=" * (-len(data) % 4))
    except binascii.Error:
        return data


def _text(data: bytes, charset: str) -> str:
    if not data:
        return ""
    try:
        return data.decode(charset)
    except (UnicodeError, LookupError, ValueError):
        return decode(data, charset)
