"""What all Office Open XML files have in common: parts, relations between them, properties.

Elements are told by their local names, since the strict and the transitional variant differ in namespaces only.
"""

import posixpath
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from adapters.parsing.archives import Container
from adapters.parsing.xml import Element, parse_xml

_WRAPPERS: Final = {"ins", "moveTo", "sdt", "sdtContent", "customXml", "smartTag", "AlternateContent", "Choice"}


@frozen
class Relation:
    """From one part to another; `kind` is the last step of its type: "slide", "chart"."""

    kind: str
    target: str  # the part's name in the container


def local(element: Element) -> str:
    """An element's name without its namespace; empty for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def child(element: Element | None, name: str) -> Element | None:
    """The first child of that local name, if any."""
    return None if element is None else next((found for found in element if local(found) == name), None)


def children(element: Element | None, name: str | None = None) -> Iterator[Element]:
    """Of an element, if there is one; those of one local name, or all."""
    for found in element if element is not None else ():
        if name is None or local(found) == name:
            yield found


def attribute(element: Element | None, name: str = "val") -> str | None:
    """The attribute of that local name, if any."""
    if element is None:
        return None
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return None


def descend(parent: Element, name: str) -> Iterator[Element]:
    """Children of that name, also through wrappers such as content controls and tracked insertions."""
    for element in parent:
        if local(element) == name:
            yield element
        elif local(element) in _WRAPPERS:
            yield from descend(element, name)


def relations(container: Container, part: str, *, what: str) -> dict[str, Relation]:
    """By identifier, those of a part ("" for the container's own) to other parts inside."""
    folder, name = posixpath.split(part)
    data = container.read(posixpath.join(folder, "_rels", f"{name}.rels"))
    found: dict[str, Relation] = {}
    for element in () if data is None else parse_xml(data, what=what):
        identifier, target = attribute(element, "Id"), attribute(element, "Target")
        if identifier and target and attribute(element, "TargetMode") != "External":
            kind = (attribute(element, "Type") or "").rpartition("/")[2]
            place = target.lstrip("/") if target.startswith("/") else posixpath.join(folder, target)
            found[identifier] = Relation(kind, posixpath.normpath(place))
    return found


def main_part(container: Container, *, what: str) -> str | None:
    """The part that the container says is its document."""
    named = relations(container, "", what=what).values()
    return next((relation.target for relation in named if relation.kind == "officeDocument"), None)


def properties(container: Container, *, what: str) -> tuple[str | None, str | None]:
    """Title and language, as far as they are given."""
    data = container.read("docProps/core.xml")
    if data is None:
        return None, None
    root = parse_xml(data, what=what)
    title, language = child(root, "title"), child(root, "language")
    return (title.text if title is not None else None), (language.text if language is not None else None)
