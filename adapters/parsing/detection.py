"""Telling formats apart: the bytes decide, the name is asked only where bytes cannot tell."""

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

import puremagic

from adapters.parsing.encoding import bom_encoding, wide_encoding
from adapters.parsing.formats import (
    DOCX,
    EPUB,
    FORMATS,
    HTML,
    JSON,
    MAIL,
    ODP,
    ODS,
    ODT,
    PDF,
    PLAIN,
    PPTX,
    RTF,
    XLS,
    XLSX,
    Format,
)
from application.ports.parsing import DetectedType

HEAD: Final = 8192  # bytes that are looked at
UNKNOWN: Final = "application/octet-stream"
ZIP: Final = "application/zip"
OLE: Final = "application/x-ole-storage"

_CONTAINERS: Final[Mapping[str, str]] = {  # extension → type, for zip containers that do not tell early
    extension: media_type
    for media_type in (DOCX, XLSX, PPTX, ODT, ODS, ODP, EPUB)
    for extension in FORMATS[media_type].extensions
}
_LEGACY: Final[Mapping[str, str]] = {
    "doc": "application/msword",
    "xls": XLS,
    "ppt": "application/vnd.ms-powerpoint",
    "msg": "application/vnd.ms-outlook",
}
_FOLDERS: Final = ((b"word/", "docx"), (b"xl/", "xlsx"), (b"ppt/", "pptx"))
_CONTENT: Final = ((b"wordprocessingml", "docx"), (b"spreadsheetml", "xlsx"), (b"presentationml", "pptx"))
_TEXT_NAMES: Final[Mapping[str, str]] = {
    extension: row.media_type for row in FORMATS.values() if row.by_name for extension in row.extensions
}
_INTERPRETERS: Final = (  # in the first line of a script
    (b"python", "text/x-python"),
    (b"node", "text/javascript"),
    (b"perl", "text/x-perl"),
    (b"ruby", "text/x-ruby"),
    (b"sh", "text/x-shellscript"),
)
_JSON: Final = re.compile(  # an object with a key, or a list that begins with such a one, a string or a figure
    rb'\s*(?:\[\s*)?\{\s*"[^"\n]*"\s*:|\s*\[\s*(?:"[^"\n]*"|-?\d[\d.eE+-]*)\s*(?:,|\]\s*$)'
)
_HEADER_LINE: Final = re.compile(rb"([!-9;-~]{1,80}):")
_MAIL: Final = frozenset((b"from", b"to", b"cc", b"date", b"subject"))
_TRANSPORT: Final = frozenset(
    (b"received", b"message-id", b"mime-version", b"return-path", b"delivered-to", b"x-original-to", b"dkim-signature")
)
_HTML: Final = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta|div|p|h1|table)\b",
    re.IGNORECASE | re.DOTALL,
)
_HTML_INSIDE: Final = re.compile(rb"<(?:!doctype\s+html|html)[\s>]", re.IGNORECASE)
_PROGRAMS: Final = (  # marks of programs that hold a byte which no text begins with
    b"MZ\x90\0",
    b"MZ\0",
    b"\x7fELF",
    b"\xca\xfe\xba\xbe",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\0asm",
)
_LOCAL_HEADER: Final = 30  # bytes before the name of a zip member
_MOST_CONTROLS: Final = 0.02  # of the bytes, in text
_MOST_NULS: Final = 0.10
_CONTROLS: Final = bytes(set(range(1, 32)) - set(b"\t\n\v\f\r\x1b")) + b"\x7f"


class ContentTypes:
    """The `MediaTypes` port over the table of formats."""

    def __init__(self, formats: Mapping[str, Format] = FORMATS) -> None:
        self._formats = formats

    def detect(self, head: bytes, filename: str) -> DetectedType:
        """See the port."""
        media_type = media_type_of(head[:HEAD], filename)
        return DetectedType(media_type=media_type, supported=media_type in self._formats)


def media_type_of(head: bytes, filename: str) -> str:
    """The type of content that begins with `head`."""
    extension = filename.rpartition(".")[2].lower() if "." in filename else ""
    if head.startswith(b"PK\x03\x04"):
        return _zip(head, extension)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        # an encrypted Office document is such a container: its reader says so better than "unsupported" would
        return _CONTAINERS.get(extension) or _LEGACY.get(extension, OLE)
    if _is_pdf(head, extension):
        return PDF
    if head.startswith(b"{\\rtf"):
        return RTF
    if head.startswith(_PROGRAMS) or not looks_like_text(head):
        return _by_magic(head, filename)
    return _text(head, extension)


def _is_pdf(head: bytes, extension: str) -> bool:
    """By its mark; without one, a file so named that has a PDF's objects is a damaged PDF rather than text."""
    if head.startswith(b"%PDF") or (extension == "pdf" and re.search(rb"\d+ \d+ obj\b", head)):
        return True
    place = head[:1024].find(b"%PDF-")  # readers accept the mark anywhere in the first KiB
    return place >= 0 and (
        not head[:place].strip(b"\xef\xbb\xbf \t\r\n\0") or extension == "pdf" or not looks_like_text(head[:place])
    )


def _zip(head: bytes, extension: str) -> str:
    members = list(_members(head))
    if members and members[0] == b"mimetype":
        declared = re.match(rb"[\w.+/-]+", head[38:120])
        kind = declared.group().decode("ascii").split("PK")[0] if declared else ""
        for known in _CONTAINERS.values():
            if kind.startswith(known):
                return known
    for folder, kind in _FOLDERS:
        if any(member.startswith(folder) for member in members):
            return _CONTAINERS[kind]
    if b"[Content_Types].xml" in members:
        types = _first_bytes_of(head, b"[Content_Types].xml")
        for mark, kind in _CONTENT:
            if mark in types:
                return _CONTAINERS[kind]
    return _CONTAINERS.get(extension, ZIP)


def _members(head: bytes) -> Iterator[bytes]:
    """Names in the local headers within `head`."""
    for match in re.finditer(rb"PK\x03\x04", head):
        start = match.start() + _LOCAL_HEADER
        yield head[start : start + int.from_bytes(head[start - 4 : start - 2], "little")]


def _first_bytes_of(head: bytes, member: bytes) -> bytes:
    """What can be unpacked of a member within `head`; at most 64 KiB."""
    start = head.find(member)
    if start < _LOCAL_HEADER:
        return b""
    header = head[start - _LOCAL_HEADER : start]
    data = head[start + len(member) + int.from_bytes(header[28:30], "little") :]
    if header[8:10] == b"\0\0":  # stored
        return data
    try:
        return zlib.decompressobj(-15).decompress(data, 65536)
    except zlib.error:
        return b""


def looks_like_text(head: bytes) -> bool:
    """Whether these are characters of some encoding; a few NUL bytes do not count against it."""
    if not head or bom_encoding(head) is not None or wide_encoding(head) is not None:
        return True
    if head.count(0) > _MOST_NULS * len(head):
        return False
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls <= max(_MOST_CONTROLS * len(head), 1)


def _text(head: bytes, extension: str) -> str:
    marked = bom_encoding(head)
    encoding = marked[0] if marked else wide_encoding(head)
    plain = head.decode(encoding, "ignore").encode() if encoding else head
    plain = plain.removeprefix(b"\xef\xbb\xbf")
    if _is_mail(plain, extension):
        return MAIL
    if extension in _TEXT_NAMES and not _HTML_INSIDE.match(plain.lstrip()):
        return _TEXT_NAMES[extension]
    if plain.startswith(b"#!"):
        return _script(plain.partition(b"\n")[0])
    if _JSON.match(plain):
        return JSON
    if _HTML.match(plain) or (extension in FORMATS[HTML].extensions and b"<" in plain):
        return HTML
    return PLAIN


def _is_mail(head: bytes, extension: str) -> bool:
    """Whether it begins with the headers of a mail, and with those of its transport unless the name tells."""
    names: set[bytes] = set()
    lines = head.lstrip(b"\r\n").splitlines()
    for number, line in enumerate(lines):
        if not line:
            break
        match = _HEADER_LINE.match(line)
        if match:
            names.add(match.group(1).lower())
            continue
        is_last = number == len(lines) - 1  # and may be cut off
        if line[:1] not in b" \t" and not (number == 0 and line.startswith(b"From ")) and not is_last:
            return False
    return bool(names & _MAIL) and (extension in FORMATS[MAIL].extensions or len(names & _TRANSPORT) > 1)


def _script(line: bytes) -> str:
    return next((media_type for word, media_type in _INTERPRETERS if word in line), PLAIN)


def _by_magic(head: bytes, filename: str) -> str:
    try:
        found = puremagic.from_string(head, mime=True, filename=filename)
    except Exception:  # noqa: BLE001 a library that only guesses; its answer is for the message alone
        return UNKNOWN
    # what it guesses from the name alone must not let binary content in as a supported type
    return found if re.fullmatch(r"[\w.+-]+/[\w.+-]+", found) and found not in FORMATS else UNKNOWN
