"""Which of a page's blocks are its content, and which are menus, teasers and legal lines around it."""

import re
from collections.abc import Sequence
from typing import Final

from adapters.parsing.html_blocks import Piece
from domain.passages import BlockKind

MIN_SHARE: Final = 0.1  # of the visible text without menus: an article finder that keeps less has lost too much
MIN_WORDS: Final = 30  # of an article: a form or a receipt has none, and the finder takes one of its tables for it
_WHOLE: Final = 0.85  # of the visible text: nothing worth leaving out
_SHINGLE: Final = 3  # words
_KEPT_SHARE: Final = 0.5  # of a block's shingles that the article has
_SHORT: Final = 6  # words
_WORD: Final = re.compile(r"\w+")


def article_text(source: str) -> str:
    """What trafilatura takes for the main content; empty where it finds none or fails."""
    from trafilatura import bare_extraction

    try:
        found = bare_extraction(source, favor_precision=True, include_comments=False, include_tables=True)
    except (ValueError, TypeError, AttributeError, RecursionError, AssertionError, LookupError):
        return ""  # the article finder is a help, not a need
    body = getattr(found, "body", None)
    return " ".join(body.itertext()) if body is not None else ""


def content(pieces: Sequence[Piece], article: str) -> list[Piece]:
    """The blocks that the article holds, with the headings above them; all blocks when it holds too little."""
    words = _words(article)
    total = sum(len(_words(piece.text)) for piece in pieces)
    told = sum(len(_words(piece.text)) for piece in pieces if not piece.is_around)
    if not max(MIN_SHARE * told, MIN_WORDS) <= len(words) <= _WHOLE * total:
        return list(pieces)
    known = set(_shingles(words)) | {(word,) for word in words}
    kept: list[Piece] = []
    headings: list[Piece] = []
    follows = False  # whether the block before was kept
    for piece in pieces:
        if piece.kind is BlockKind.HEADING:
            headings = [above for above in headings if above.level < piece.level] + [piece]
            continue
        # a paragraph of a word or two is in any article: its place decides
        tells = piece.kind is not BlockKind.PARAGRAPH or len(_words(piece.text)) >= _SHINGLE
        follows = _share(piece, known) >= _KEPT_SHARE and (tells or (follows and not headings))
        if follows:
            kept += [*headings, piece]
            headings = []
    return kept


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _shingles(words: Sequence[str]) -> list[tuple[str, ...]]:
    size = min(_SHINGLE, len(words)) or 1
    return [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]


def _share(piece: Piece, known: set[tuple[str, ...]]) -> float:
    words = _words(piece.text)
    if len(words) < _SHORT and piece.is_around:
        return 0.0  # a menu's words are in many an article
    shingles = [(word,) for word in words] if len(words) < _SHINGLE else _shingles(words)
    return sum(shingle in known for shingle in shingles) / len(shingles) if shingles else 0.0
