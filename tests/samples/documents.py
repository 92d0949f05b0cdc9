"""Small files of every kind, whole and hostile, made by code."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Target="word/document.xml" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/></Relationships>'
)
WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def pdf(pages: Sequence[Sequence[tuple[float, str]]], *, rotate: int = 0, trailer: str = "") -> bytes:
    """A PDF of 612 by 792 points; each page is lines of (font size, text), downwards from the top."""
    placed: list[list[Placed]] = []
    for lines in pages:
        height = 720.0
        placed.append([])
        for size, text in lines:
            placed[-1].append((72.0, height, size, text))
            height -= size * 1.3
    return placed_pdf(placed, rotate=rotate, trailer=trailer)


Placed = tuple[float, float, float, str]
"""Left and base line in points from the bottom left, font size, text."""


def placed_pdf(pages: Sequence[Sequence[Placed]], *, rotate: int = 0, trailer: str = "", bold: str = "") -> bytes:
    """A PDF of 612 by 792 points with text where it is said, drawn in that order; what begins as `bold` is bold."""
    objects: dict[int, bytes] = {
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        4: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
    }
    kids: list[str] = []
    for index, lines in enumerate(pages):
        number = 5 + 2 * index
        kids.append(f"{number} 0 R")
        content = []
        for left, height, size, text in lines:
            escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            font = 2 if bold and text.startswith(bold) else 1
            content.append(f"BT /F{font} {size} Tf {left} {height} Td ({escaped}) Tj ET")
        stream = "\n".join(content).encode("cp1252")
        objects[number] = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Rotate {rotate} "
            f"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents {number + 1} 0 R >>"
        ).encode()
        objects[number + 1] = b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)
    objects[1] = b"<< /Type /Catalog /Pages 2 0 R >>"
    objects[2] = f"<< /Type /Pages /Count {len(kids)} /Kids [{' '.join(kids)}] >>".encode()
    return _written(objects, trailer)


def pdf_bomb(size: int) -> bytes:
    """A page whose content is as many bytes of nothing, packed."""
    packer = zlib.compressobj(1)
    block = b" " * 2**20
    stream = b"".join([*(packer.compress(block) for _ in range(size // len(block))), packer.flush()])
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Count 1 /Kids [4 0 R] >>",
        4: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R >>",
        5: b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream),
    }
    return _written(objects, "")


def encrypted_pdf() -> bytes:
    """A PDF whose password nobody knows: keys that fit no password at all."""
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Count 1 /Kids [4 0 R] >>",
        4: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] >>",
        5: b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <" + b"41" * 32 + b"> /U <" + b"42" * 32 + b"> >>",
    }
    return _written(objects, "/Encrypt 5 0 R /ID [<" + "43" * 16 + "> <" + "43" * 16 + ">]")


def _written(objects: dict[int, bytes], trailer: str) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places: dict[int, int] = {}
    for number, body in sorted(objects.items()):
        places[number] = len(out)
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    size = max(objects) + 1
    out += b"xref\n0 %d\n0000000000 65535 f \n" % size
    for number in range(1, size):
        out += b"%010d 00000 %s \n" % (places.get(number, 0), b"n" if number in places else b"f")
    out += f"trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def blank_pdf(path: Path, pages: int) -> None:
    """As many empty pages as wanted, fast."""
    import pypdfium2

    document = pypdfium2.PdfDocument.new()
    for _ in range(pages):
        document.new_page(100, 100).close()
    document.save(str(path))
    document.close()


def docx(body: str, *, doctype: str = "", extra: dict[str, bytes] | None = None) -> bytes:
    """A Word document around the XML of its body."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("[Content_Types].xml", CONTENT_TYPES)
        container.writestr("_rels/.rels", RELATIONS)
        container.writestr(
            "word/document.xml",
            f'<?xml version="1.0" encoding="UTF-8"?>{doctype}<w:document {WORD}><w:body>{body}</w:body></w:document>',
        )
        for name, data in (extra or {}).items():
            container.writestr(name, data)
    return buffer.getvalue()


def paragraph(text: str, properties: str = "") -> str:
    """A Word paragraph."""
    return f"<w:p><w:pPr>{properties}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def table(rows: Sequence[Sequence[str]]) -> str:
    """A Word table."""
    return (
        "<w:tbl>"
        + "".join("<w:tr>" + "".join(f"<w:tc>{paragraph(cell)}</w:tc>" for cell in row) + "</w:tr>" for row in rows)
        + "</w:tbl>"
    )


BILLION_LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a0 "lol">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)
EXTERNAL_ENTITY = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/hostname">]>'


def container(members: dict[str, str | bytes]) -> bytes:
    """A zip of these members, in order; one called "mimetype" is stored as it is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content, zipfile.ZIP_STORED if name == "mimetype" else None)
    return buffer.getvalue()


_DRAWING = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def _related(*targets: tuple[str, str]) -> str:
    rows = "".join(
        f'<Relationship Id="rId{number}" Type="{_TYPES}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{_RELATIONS}">{rows}</Relationships>'


def shape(*texts: str, placeholder: str = "") -> str:
    """A slide's shape with a paragraph for each text."""
    kind = f'<p:ph type="{placeholder}"/>' if placeholder else ""
    paragraphs = "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in texts)
    return f"<p:sp><p:nvSpPr><p:nvPr>{kind}</p:nvPr></p:nvSpPr><p:txBody>{paragraphs}</p:txBody></p:sp>"


def pptx(*slides: str, doctype: str = "", notes: str = "", extra: dict[str, bytes] | None = None) -> bytes:
    """A presentation around the XML of its slides' shapes; `notes` belong to the first slide."""
    count = len(slides)
    identifiers = "".join(f'<p:sldId id="{255 + n}" r:id="rId{n}"/>' for n in range(1, count + 1))
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": CONTENT_TYPES.replace("wordprocessingml.document", "presentationml.presentation"),
        "_rels/.rels": _related(("officeDocument", "ppt/presentation.xml")),
        "ppt/presentation.xml": f"<p:presentation {_DRAWING}><p:sldIdLst>{identifiers}</p:sldIdLst>"
        '<p:sldSz cx="9144000" cy="6858000"/></p:presentation>',
        "ppt/_rels/presentation.xml.rels": _related(*(("slide", f"slides/slide{n}.xml") for n in range(1, count + 1))),
    }
    for number, shapes in enumerate(slides, start=1):
        tree = f"<p:cSld><p:spTree>{shapes}</p:spTree></p:cSld>"
        members[f"ppt/slides/slide{number}.xml"] = f"{doctype}<p:sld {_DRAWING}>{tree}</p:sld>"
    if notes:
        tree = f"<p:cSld><p:spTree>{shape(notes, placeholder='body')}</p:spTree></p:cSld>"
        members["ppt/notesSlides/notesSlide1.xml"] = f"<p:notes {_DRAWING}>{tree}</p:notes>"
        members["ppt/slides/_rels/slide1.xml.rels"] = _related(("notesSlide", "../notesSlides/notesSlide1.xml"))
    return container({**members, **(extra or {})})


_SHEET = (
    'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)


def xlsx(sheets: dict[str, Sequence[str]], *, extra: dict[str, bytes] | None = None) -> bytes:
    """A workbook; each row is the XML of its cells, such as `text_cell` and `number_cell` give."""
    count = len(sheets)
    named = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(sheets, start=1))
    members: dict[str, str | bytes] = {
        "[Content_Types].xml": CONTENT_TYPES.replace("wordprocessingml.document", "spreadsheetml.sheet"),
        "_rels/.rels": _related(("officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f"<workbook {_SHEET}><sheets>{named}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _related(
            *(("worksheet", f"worksheets/sheet{n}.xml") for n in range(1, count + 1)), ("styles", "styles.xml")
        ),
        "xl/styles.xml": f"<styleSheet {_SHEET}><cellXfs><xf numFmtId='0'/><xf numFmtId='14'/></cellXfs></styleSheet>",
    }
    for number, rows in enumerate(sheets.values(), start=1):
        data = "".join(f'<row r="{n}">{cells}</row>' for n, cells in enumerate(rows, start=1))
        members[f"xl/worksheets/sheet{number}.xml"] = f"<worksheet {_SHEET}><sheetData>{data}</sheetData></worksheet>"
    return container({**members, **(extra or {})})


def text_cell(place: str, text: str) -> str:
    """A cell of text, at a place such as "B2"."""
    return f'<c r="{place}" t="inlineStr"><is><t>{text}</t></is></c>'


def number_cell(place: str, number: float, *, date: bool = False) -> str:
    """A cell of a figure; `date` shows it as one."""
    return f'<c r="{place}" s="{int(date)}"><v>{number}</v></c>'


_OPEN = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "draw": "drawing",
        "presentation": "presentation",
        "manifest": "manifest",
    }.items()
)


def opendocument(body: str, *, kind: str = "text", doctype: str = "", extra: dict[str, bytes] | None = None) -> bytes:
    """An OpenDocument file around the XML of its body."""
    content = (
        f"{doctype}<office:document-content {_OPEN}><office:body><office:{kind}>{body}</office:{kind}>"
        "</office:body></office:document-content>"
    )
    members: dict[str, str | bytes] = {
        "mimetype": f"application/vnd.oasis.opendocument.{kind}",
        "content.xml": content,
    }
    return container({**members, **(extra or {})})


def locked_opendocument() -> bytes:
    """An OpenDocument file that says it is encrypted."""
    entry = "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry>"
    manifest = f"<manifest:manifest {_OPEN}>{entry}</manifest:manifest>"
    return opendocument("", extra={"META-INF/manifest.xml": manifest.encode()})


def epub(chapters: dict[str, str], *, spine: Sequence[str] = (), extra: dict[str, bytes] | None = None) -> bytes:
    """A book of these chapters (name and XHTML body), read in the order of `spine`, or as they come."""
    items = "".join(f'<item id="{n}" href="{n}.xhtml" media-type="application/xhtml+xml"/>' for n in chapters)
    order = "".join(f'<itemref idref="{name}"/>' for name in spine or chapters)
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfile full-path="OEBPS/book.opf"/></container>',
        "OEBPS/book.opf": '<package xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><dc:title>The Book</dc:title>'
        f"<dc:language>de</dc:language></metadata><manifest>{items}</manifest><spine>{order}</spine></package>",
    }
    members |= {f"OEBPS/{name}.xhtml": f"<html><body>{body}</body></html>" for name, body in chapters.items()}
    return container({**members, **(extra or {})})
