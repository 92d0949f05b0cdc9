"""Spreadsheets, by calamine: Excel of all ages and OpenDocument; each sheet is a page."""

import datetime as dt
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final

from python_calamine import CalamineError, CalamineSheet, PasswordError, SheetTypeEnum, load_workbook

from adapters.parsing.archives import OLE, Container
from adapters.parsing.building import DocumentBuilder
from adapters.parsing.failures import corrupt, encrypted, too_many_pages
from adapters.parsing.limits import Limits
from adapters.parsing.ooxml import attribute, child, children, main_part, properties, relations
from adapters.parsing.source import Source
from adapters.parsing.xml import parse_xml
from domain.passages import BlockKind, ParsedDocument

_WHAT: Final = "spreadsheet"
_ZIP: Final = b"PK"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_WHOLE: Final = 1e15  # above which a float no longer tells whole numbers apart


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PasswordError as error:
        raise encrypted(_WHAT) from error
    except (CalamineError, OSError, ValueError) as error:
        raise corrupt(_WHAT) from error


def read(source: Source, limits: Limits) -> ParsedDocument:
    """Each sheet's name as a heading, its rows as "cell | cell" with values as shown in cells, then its comments.

    Formulas are read as the value that was last calculated. Hidden sheets are read too; charts are not.
    """
    notes: dict[str, list[tuple[str, str]]] = {}
    title: str | None = None
    data = source.read()
    if data.startswith(OLE) and _ENCRYPTED in data:  # Office wraps what it encrypts in the container of older formats
        raise encrypted(_WHAT)
    if data.startswith(_ZIP):
        with Container(source, limits, what=_WHAT) as container:  # refuses bombs before calamine unpacks them
            container.check()
            title, _ = properties(container, what=_WHAT)
            notes = _comments(container)
    builder = DocumentBuilder(limits)
    with _translated():
        book = load_workbook(io.BytesIO(data))
        names = [sheet.name for sheet in book.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    if len(names) > limits.max_pages:
        raise too_many_pages(len(names), limits.max_pages)
    for number, name in enumerate(names, start=1):
        with _translated():
            sheet = book.get_sheet_by_name(name)
        builder.start_page()
        if sheet.height or notes.get(name):
            builder.add(BlockKind.HEADING, name, level=1)
        for rows in _tables(sheet):
            builder.table(rows)
        for place, text in notes.get(name, ()):
            builder.add(BlockKind.PARAGRAPH, f"{place}: {text}")
        builder.end_page(number)
    return builder.finish(title=title)


def _tables(sheet: CalamineSheet) -> Iterator[list[list[str]]]:
    """What empty rows divide, without the empty columns on its left."""
    rows: list[list[str]] = []
    for row in chain(sheet.iter_rows(), ((),)):
        cells = [shown(value) for value in row]
        if any(cells):
            rows.append(cells)
        elif rows:
            margin = min(next(place for place, cell in enumerate(one) if cell) for one in rows)
            yield [one[margin:] for one in rows]
            rows = []


def shown(value: object) -> str:
    """A cell's value as a person writes it: dates by ISO 8601, whole numbers without a fraction."""
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case float() if value.is_integer() and abs(value) < _WHOLE:
            return str(int(value))
        case float():
            return f"{value:.15g}"  # all the digits that Excel keeps
        case dt.datetime():
            return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ", "seconds")
        case _:
            return str(value)


def _comments(container: Container) -> dict[str, list[tuple[str, str]]]:
    """Cell and text of each sheet's comments, by the sheet's name; of Excel's newer format alone."""
    main = main_part(container, what=_WHAT)
    data = container.read(main) if main is not None else None
    found: dict[str, list[tuple[str, str]]] = {}
    if main is None or data is None:
        return found
    parts = relations(container, main, what=_WHAT)
    for sheet in children(child(parse_xml(data, what=_WHAT), "sheets")):
        identifier = next((str(value) for key, value in sheet.attrib.items() if key.endswith("}id")), "")
        if identifier not in parts:
            continue
        for relation in relations(container, parts[identifier].target, what=_WHAT).values():
            comments = container.read(relation.target) if relation.kind == "comments" else None
            if comments is not None:
                found.setdefault(attribute(sheet, "name") or "", []).extend(
                    (attribute(comment, "ref") or "", "".join(text.text or "" for text in comment.iter("{*}t")))
                    for comment in parse_xml(comments, what=_WHAT).iter("{*}comment")
                )
    return found
