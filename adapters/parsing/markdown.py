"""Markdown (CommonMark with tables, strikethrough and front matter): the text a reader sees, without the marks."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin

from adapters.parsing.building import DocumentBuilder
from adapters.parsing.encoding import decode
from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import BlockKind, ParsedDocument

_TITLE: Final = re.compile(r"^title[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE | re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"^lang(?:uage)?[ \t]*:[ \t]*['\"]?([A-Za-z-]{2,10})", re.MULTILINE | re.IGNORECASE)
_TAG: Final = re.compile(r"<!--.*?-->|<[^<>]*>", re.DOTALL)


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Headings, paragraphs, list items, code and table rows; the title from the front matter or the first heading."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"]).use(front_matter_plugin)
    builder = DocumentBuilder(limits)
    walk = _Walk(builder)
    for token in parser.parse(decode(source.read()).removeprefix("\ufeff")):
        walk.take(token)
    return builder.finish(title=walk.title or walk.first_heading, language=walk.language)


class _Walk:
    def __init__(self, builder: DocumentBuilder) -> None:
        self.title: str | None = None
        self.first_heading: str | None = None
        self.language: str | None = None
        self._builder = builder
        self._heading = 0
        self._lists = 0
        self._row: list[str] | None = None
        self._is_head = False

    def take(self, token: Token) -> None:  # noqa: C901, PLR0912 one case a kind of token
        match token.type:
            case "front_matter":
                self._front_matter(token.content)
            case "heading_open":
                self._heading = int(token.tag[1:])
            case "heading_close":
                self._heading = 0
            case "bullet_list_open" | "ordered_list_open":
                self._lists += 1
            case "bullet_list_close" | "ordered_list_close":
                self._lists -= 1
            case "thead_open":
                self._is_head = True
            case "thead_close":
                self._is_head = False
            case "tr_open":
                self._row = []
            case "tr_close":
                kind = BlockKind.TABLE_HEADER if self._is_head else BlockKind.TABLE_ROW
                self._builder.add(kind, " | ".join(self._row or ()))
                self._row = None
            case "inline":
                self._inline(visible(token.children or ()))
            case "fence" | "code_block":
                self._builder.add(BlockKind.CODE, token.content)
            case "html_block":
                self._builder.add(BlockKind.PARAGRAPH, _TAG.sub("", token.content))
            case _:
                pass  # the marks themselves

    def _front_matter(self, content: str) -> None:
        if match := _TITLE.search(content):
            self.title = match.group(1).strip("\"'")
        if match := _LANGUAGE.search(content):
            self.language = match.group(1)

    def _inline(self, text: str) -> None:
        if self._row is not None:
            self._row.append(" ".join(text.split()))
        elif self._heading:
            self.first_heading = self.first_heading or text
            self._builder.add(BlockKind.HEADING, text, level=self._heading)
        else:
            self._builder.add(BlockKind.LIST_ITEM if self._lists else BlockKind.PARAGRAPH, text)


def visible(tokens: Sequence[Token]) -> str:
    """Inline tokens as a reader sees them: a link by its words, an image by its description."""
    return "".join(_pieces(tokens))


def _pieces(tokens: Sequence[Token]) -> Iterable[str]:
    for token in tokens:
        match token.type:
            case "text" | "code_inline" | "text_special":
                yield token.content
            case "softbreak" | "hardbreak":
                yield "\n"
            case "image":
                yield visible(token.children or ())
            case "html_inline" if token.content.lower().startswith("<br"):
                yield "\n"
            case _:
                pass
