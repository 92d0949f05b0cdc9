"""Rich Text Format: text, headings by outline level, lists and table rows; in one pass, in linear time.

The specification (Microsoft, RTF 1.9.1) names some 1,800 control words. Those for text are read, destinations
without text of the document's own are skipped with all that is in them, and the others change nothing here.
"""

import codecs
import re
from typing import Final

from attrs import define, evolve

from adapters.parsing.building import DocumentBuilder, one_line
from adapters.parsing.failures import corrupt
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import BlockKind, ParsedDocument

_TOKEN: Final = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?"  # a control word with its number
    rb"|\\'([0-9a-fA-F]{2})"  # a byte of the code page
    rb"|\\(.)"  # a control symbol
    rb"|([{}])|[\r\n]+|([^\\{}\r\n]+)",
    re.DOTALL,
)
_SKIPPED: Final = frozenset(
    b"""colortbl stylesheet fonttbl listtable listoverridetable rsidtbl revtbl filetbl generator pict object objdata
    themedata colorschememapping datastore latentstyles xmlnstbl header headerl headerr headerf footer footerl footerr
    footerf fldinst bkmkstart bkmkend nonshppict pntext listtext pnseclvl mmathPr wgrffmtfilter sp private
    ftnsep ftnsepc aftnsep aftnsepc atnid atnauthor annotation template operator author company category keywords
    comment doccomm hlinkbase creatim revtim printim buptim passwordhash docvar userprops shpgrp""".split()
)
_INFO: Final = frozenset((b"info", b"title", b"subject"))
_CHARACTERS: Final = {
    b"tab": "\t",
    b"line": "\n",
    b"lbr": "\n",
    b"emdash": "\u2014",
    b"endash": "\u2013",
    b"emspace": " ",
    b"enspace": " ",
    b"qmspace": " ",
    b"bullet": "\u2022",
    b"lquote": "\u2018",
    b"rquote": "\u2019",
    b"ldblquote": "\u201c",
    b"rdblquote": "\u201d",
}
_SYMBOLS: Final = {b"~": "\xa0", b"_": "\u2011", b"-": "", b"\\": "\\", b"{": "{", b"}": "}"}
_ENDS: Final = frozenset((b"par", b"sect", b"page", b"column"))
_CHARSETS: Final = {  # \fcharset → code page
    77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gbk", 136: "big5", 161: "cp1253", 162: "cp1254",
    163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_PLANES: Final = {b"ansi": "cp1252", b"mac": "mac_roman", b"pc": "cp437", b"pca": "cp850"}
_MAX_DEPTH: Final = 2_000
_MAX_LEVEL: Final = 9
_SURROGATES: Final = range(0xD800, 0xE000)


@define
class _State:
    """What holds until the group ends."""

    skipped: bool = False
    in_fonts: bool = False
    in_title: bool = False
    font: int = -1
    skip_after_unicode: int = 1


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Paragraphs with their structure; pictures, headers, footers, field codes and comments are left out."""
    data = source.read()
    if not data.lstrip().startswith(b"{\\rtf"):
        raise corrupt("RTF")
    writer = _Writer(DocumentBuilder(limits))
    reader = _Reader(writer)
    reader.run(data)
    writer.end_paragraph()
    writer.end_table()
    return writer.builder.finish(title=reader.title)


class _Reader:
    def __init__(self, writer: "_Writer") -> None:
        self.title = ""
        self._writer = writer
        self._state = _State()
        self._stack: list[_State] = []
        self._encoding = "cp1252"
        self._default_font = -1
        self._fonts: dict[int, str] = {}
        self._bytes = bytearray()  # of the code page, waiting for the rest of their character
        self._to_skip = 0  # characters that stand for a \u before them
        self._starts_destination = False
        self._high: int | None = None  # the first half of a surrogate pair

    def run(self, data: bytes) -> None:
        place = 0
        while match := _TOKEN.match(data, place):
            place = match.end()
            word, number, hexadecimal, symbol, brace, text = match.groups()
            if hexadecimal:
                self._code_page(bytes.fromhex(hexadecimal.decode()))
                continue
            if text and not self._bytes:
                self._plain(text)
                continue
            self._flush()
            if brace:
                self._group(brace)
            elif word:
                place = self._word(word, int(number) if number else None, place)
            elif symbol:
                self._symbol(symbol)
            elif text:
                self._plain(text)
        self._flush()

    def _group(self, brace: bytes) -> None:
        self._to_skip = 0
        self._starts_destination = False
        if brace == b"{":
            if len(self._stack) >= _MAX_DEPTH:
                raise RecursionError
            self._stack.append(evolve(self._state))
        elif self._stack:
            self._state = self._stack.pop()

    def _word(self, word: bytes, number: int | None, place: int) -> int:  # noqa: C901, PLR0912 one case a word
        state = self._state
        is_unknown_destination, self._starts_destination = self._starts_destination, False
        if word == b"bin":
            return place + max(number or 0, 0)
        if word == b"fonttbl":
            state.in_fonts = True
        if word in _SKIPPED or (is_unknown_destination and word not in {b"shptxt", b"shpinst", b"shp"}):
            state.skipped = True
        if word in _INFO:
            state.skipped, state.in_title = True, word == b"title"
        if word in _PLANES:
            self._encoding = _PLANES[word]
        elif word == b"ansicpg" and number:
            self._encoding = _known(f"cp{number}") or self._encoding
        elif word == b"deff" and number is not None:
            self._default_font = state.font = number
        elif word == b"f" and number is not None:
            state.font = number
        elif word == b"fcharset" and state.in_fonts and number in _CHARSETS:
            self._fonts[state.font] = _CHARSETS[number]
        elif word == b"uc":
            state.skip_after_unicode = max(number or 0, 0)
        elif word == b"u" and number is not None:
            self._unicode(number % 0x10000)
            self._to_skip = state.skip_after_unicode
            return place
        self._to_skip = 0
        if state.skipped:
            return place
        if word in _CHARACTERS:
            self._writer.write(_CHARACTERS[word])
        elif word in _ENDS:
            self._writer.end_paragraph()
        else:
            if word == b"plain":
                state.font = self._default_font
            self._writer.control(word, number)
        return place

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self._starts_destination = True
        elif symbol in b"\r\n":
            if not self._state.skipped:
                self._writer.end_paragraph()
        elif symbol in _SYMBOLS:
            self._say(_SYMBOLS[symbol])

    def _code_page(self, byte: bytes) -> None:
        if self._to_skip:
            self._to_skip -= 1
        elif not self._state.skipped or self._state.in_title:
            self._bytes += byte

    def _plain(self, text: bytes) -> None:
        if self._to_skip:
            self._to_skip, text = max(self._to_skip - len(text), 0), text[self._to_skip :]
        if not self._state.skipped or self._state.in_title:
            self._bytes += text
            self._flush()

    def _flush(self) -> None:
        if self._bytes:
            encoding = self._fonts.get(self._state.font, self._encoding)
            self._say(bytes(self._bytes).decode(encoding, "replace"))
            self._bytes.clear()

    def _unicode(self, code: int) -> None:
        if code in _SURROGATES:
            if code < 0xDC00:  # noqa: PLR2004 where the second halves begin
                self._high = code
                return
            code = 0x10000 + ((self._high or 0xD800) - 0xD800) * 0x400 + code - 0xDC00
        self._high = None
        self._say(chr(code))

    def _say(self, text: str) -> None:
        if self._state.in_title:
            self.title += text
        elif not self._state.skipped:
            self._writer.write(text)


def _known(encoding: str) -> str | None:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return "utf-8" if encoding == "cp65001" else None
    return encoding


class _Writer:
    """Paragraphs and tables out of text and paragraph properties."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self._parts: list[str] = []
        self._level = 0
        self._listed = False
        self._in_table = False
        self._cells: list[str] = []
        self._rows: list[list[str]] = []

    def write(self, text: str) -> None:
        self._parts.append(text)

    def control(self, word: bytes, number: int | None) -> None:
        match word:
            case b"pard":
                self._level, self._listed, self._in_table = 0, False, False
            case b"outlinelevel" if number is not None and 0 <= number < _MAX_LEVEL:
                self._level = number + 1
            case b"ls" | b"pnlvlblt" | b"pnlvlbody":
                self._listed = True
            case b"intbl":
                self._in_table = True
            case b"cell" | b"nestcell":
                self._cells.append(self._taken())
            case b"row" | b"nestrow":
                self._rows.append(self._cells)
                self._cells = []

    def end_paragraph(self) -> None:
        if self._in_table:
            self._parts.append("\n")  # inside a cell
            return
        self.end_table()
        text = self._taken()
        if self._level:
            self.builder.add(BlockKind.HEADING, one_line(text), level=self._level)
        else:
            self.builder.add(BlockKind.LIST_ITEM if self._listed else BlockKind.PARAGRAPH, text)

    def end_table(self) -> None:
        rows, self._rows = self._rows, []
        if self._cells:
            rows, self._cells = [*rows, self._cells], []
        self.builder.table(rows)

    def _taken(self) -> str:
        text = "".join(self._parts)
        self._parts.clear()
        return text
