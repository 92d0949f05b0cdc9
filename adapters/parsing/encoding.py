"""From bytes of unknown encoding to text."""

import codecs
import re
from typing import Final

SAMPLE: Final = 256 * 1024  # bytes that are looked at when guessing

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with the same bytes
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WESTERN: Final = frozenset(
    "àâäáãåæçéèêëíìîïñóòôöõøœúùûüýÿßÀÂÄÁÃÅÆÇÉÈÊËÍÌÎÏÑÓÒÔÖÕØŒÚÙÛÜÝŸšžŠŽðþÐÞ¿¡«»°§·–—‘’‚“”„…•€£¥¢©®™±²³½¼¾µ×ªº´\xa0\xad†‰‹›¶"  # noqa: RUF001
)
_MOST_BAD_SHARE: Final = 0.2  # of the non-ASCII characters, for text that is UTF-8 with some damage
_WIDE_NULS: Final = 0.25  # of the bytes at odd or even places, for text that is UTF-16
_FEW_NULS: Final = 0.02
_LEAST_WIDE: Final = 8  # bytes, and zero ones among them, below which nothing is evidence
_LEAST_NULS: Final = 3
_SHORT: Final = 64  # non-ASCII bytes: below, statistics guess worse than the most common code page


def bom_encoding(data: bytes) -> tuple[str, int] | None:
    """The encoding that a byte order mark names, with the mark's length."""
    for mark, name in _BOMS:
        if data.startswith(mark):
            return name, len(mark)
    return None


def wide_encoding(data: bytes) -> str | None:
    """UTF-16 without a mark, told by where its zero bytes are (or, without any, by plausible characters)."""
    sample = data[:SAMPLE]
    sample = sample[: len(sample) // 2 * 2]
    if len(sample) < _LEAST_WIDE or sample.count(0) < _LEAST_NULS:
        return None  # too little to tell
    half = len(sample) // 2
    if half < _SHORT and len(data) % 2:
        return None  # a few characters with a stray zero byte among them
    even, odd = sample[::2].count(0) / half, sample[1::2].count(0) / half
    if odd > _WIDE_NULS and even < _FEW_NULS:
        return "utf-16-le"
    if even > _WIDE_NULS and odd < _FEW_NULS:
        return "utf-16-be"
    return None


def decode(data: bytes, declared: str | None = None) -> str:  # noqa: PLR0911 one answer a step
    """Text of `data`; never raises. `declared` is what the document says of itself, believed where it decodes.

    Order: byte order mark, zero bytes of UTF-16, valid UTF-8, `declared`, UTF-8 with some damage, guesses.
    """
    if (marked := bom_encoding(data)) is not None:
        name, length = marked
        return data[length:].decode(name, "replace")
    if (wide := wide_encoding(data)) is not None:
        return data.decode(wide, "replace")
    if re.search(rb"\x1b\$[@B]", data[:SAMPLE]) and (japanese := _strictly(data, "iso2022_jp")) is not None:
        return japanese
    if (utf8 := _strictly(data, "utf-8")) is not None:
        return utf8
    if declared is not None and (said := _strictly(data, declared)) is not None:
        return said
    lossy = data.decode("utf-8", "replace")
    bad = lossy.count("\ufffd")
    if bad < _MOST_BAD_SHARE * sum(character > "\x7f" for character in lossy[:SAMPLE]):
        return lossy
    return _guessed(data)


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError, ValueError):
        return None


def _guessed(data: bytes) -> str:
    sample = data[:SAMPLE]
    western = sample.decode("cp1252", "replace")
    high = [character for character in western if character > "\x7f"]
    if all(character in _WESTERN for character in high) and (len(high) < _SHORT or len(high) * 5 < len(western)):
        return data.decode("cp1252", "replace")
    from charset_normalizer import from_bytes

    best = from_bytes(sample).best()
    return data.decode(best.encoding if best is not None else "cp1252", "replace")
