"""Books (EPUB 2 and 3): the chapters in their order of reading."""

import posixpath
from typing import Final
from urllib.parse import unquote

from adapters.parsing.archives import Container
from adapters.parsing.building import DocumentBuilder
from adapters.parsing.encoding import decode
from adapters.parsing.failures import corrupt, encrypted
from adapters.parsing.html import add_pieces, declared_encoding, tree
from adapters.parsing.html_blocks import visible_pieces
from adapters.parsing.limits import Limits
from adapters.parsing.ooxml import attribute, child, children
from adapters.parsing.source import Source
from adapters.parsing.xml import Element, parse_xml
from application.errors import ParsingFailed
from domain.documents import FailureCode
from domain.passages import ParsedDocument

_WHAT: Final = "EPUB book"


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Headings, paragraphs, lists and tables of every chapter, with the book's title and language.

    A chapter that is named and missing is passed over; a book without any that can be read is `corrupt_file`.
    """
    with Container(source, limits, what=_WHAT) as container:
        place = _package(container)
        package = parse_xml(container.read(place) or b"", what=_WHAT)
        metadata = child(package, "metadata")
        title, language = child(metadata, "title"), child(metadata, "language")
        chapters = _chapters(package, posixpath.dirname(place))
        if _locked(container) & set(chapters):
            raise encrypted(_WHAT)
        builder = DocumentBuilder(limits)
        found = False
        for chapter in chapters:
            data = container.read(chapter)
            if data is not None:
                found = True
                _write(data, builder)
        if not found:
            raise corrupt(_WHAT)
    return builder.finish(
        title=title.text if title is not None else None, language=language.text if language is not None else None
    )


def _package(container: Container) -> str:
    data = container.read("META-INF/container.xml")
    if data is not None:
        for root in parse_xml(data, what=_WHAT).iter("{*}rootfile"):
            if (path := attribute(root, "full-path")) and path in container:
                return path
    found = next((name for name in container.names() if name.endswith(".opf")), None)
    if found is None:
        raise corrupt(_WHAT)
    return found


def _chapters(package: Element, folder: str) -> list[str]:
    """Names of the members that the spine lists, each once."""
    manifest = {
        attribute(item, "id"): posixpath.normpath(posixpath.join(folder, unquote(attribute(item, "href") or "")))
        for item in children(child(package, "manifest"), "item")
        if "html" in (attribute(item, "media-type") or "html")
    }
    spine = [manifest.get(attribute(item, "idref")) for item in children(child(package, "spine"))]
    return list(dict.fromkeys(name for name in spine if name is not None))


def _locked(container: Container) -> set[str]:
    """Members that are encrypted; fonts often are, which does not matter."""
    data = container.read("META-INF/encryption.xml")
    if data is None:
        return set()
    references = parse_xml(data, what=_WHAT).iter("{*}CipherReference")
    return {unquote(attribute(reference, "URI") or "") for reference in references}


def _write(data: bytes, builder: DocumentBuilder) -> None:
    try:
        pieces = visible_pieces(tree(decode(data, declared_encoding(data))))
    except ParsingFailed as error:
        if error.failure.code is not FailureCode.NO_TEXT_FOUND:
            raise
        return  # a chapter of pictures
    add_pieces(builder, pieces)
