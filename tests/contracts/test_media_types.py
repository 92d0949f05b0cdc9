"""What every `MediaTypes` promises, and what the real one tells apart."""

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.parsing.detection import ContentTypes
from adapters.parsing.formats import DOCX, HTML, MARKDOWN, PDF, PLAIN
from application.ports.parsing import MediaTypes
from tests.fakes.parsing import FakeMediaTypes
from tests.samples import documents

OFFICE = "application/vnd.openxmlformats-officedocument."


@pytest.fixture(params=["fake", "content"])
def media_types(request: pytest.FixtureRequest) -> MediaTypes:
    return FakeMediaTypes() if request.param == "fake" else ContentTypes()


@pytest.mark.parametrize("name", ["a.pdf", "a.txt", "", "a"])
def test_a_pdf_is_a_pdf_whatever_its_name(media_types: MediaTypes, name: str) -> None:
    """Content decides."""
    found = media_types.detect(documents.pdf([[(12.0, "x")]]), name)

    assert (found.media_type, found.supported) == (PDF, True)


def test_text_is_told_by_its_name_only_where_bytes_are_alike(media_types: MediaTypes) -> None:
    """Markdown is plain text that is called so."""
    assert media_types.detect(b"# Title\n", "a.md").media_type == MARKDOWN
    assert media_types.detect(b"# Title\n", "a.txt").media_type == PLAIN


def test_bytes_of_no_known_kind_are_not_supported(media_types: MediaTypes) -> None:
    """They are a stream of octets, even under a supported name."""
    found = media_types.detect(bytes(range(256)) * 4, "a.txt")

    assert (found.media_type, found.supported) == ("application/octet-stream", False)


def container(*members: str, kind: str = "") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for member in members:
            content = f'<Types><Override ContentType="application/{kind}.main+xml"/></Types>' if kind else "x"
            made.writestr(member, content)
    return buffer.getvalue()


def stored_mimetype(media_type: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("mimetype", media_type)
        made.writestr("content.xml", "x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("head", "name", "media_type"),
    [
        (documents.docx(""), "a.bin", DOCX),
        (container("[Content_Types].xml", "_rels/.rels", kind="x.wordprocessingml.document"), "a.zip", DOCX),
        (container("[Content_Types].xml", "xl/workbook.xml"), "a.docx", f"{OFFICE}spreadsheetml.sheet"),
        (container("ppt/presentation.xml"), "a", f"{OFFICE}presentationml.presentation"),
        (stored_mimetype("application/epub+zip"), "a.zip", "application/epub+zip"),
        (
            stored_mimetype("application/vnd.oasis.opendocument.text"),
            "a",
            "application/vnd.oasis.opendocument.text",
        ),
        (container("readme.txt"), "a.zip", "application/zip"),
        (container("other/part.xml"), "a.docx", DOCX),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "a.doc", "application/msword"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "a.docx", DOCX),
        (b"<!DOCTYPE html><html><p>x", "a.txt", HTML),
        (b"  <html lang=en>", "", HTML),
        (b"<?xml version='1.0'?><html xmlns='x'>", "a", HTML),
        (b"<p>A fragment</p>", "a.html", HTML),
        (b"An essay on <b>HTML</b>.", "a.txt", PLAIN),
        (b"# Notes\n<div>x</div>", "a.md", MARKDOWN),
        (b"{\\rtf1\\ansi}", "a.txt", "application/rtf"),
        (documents.pptx(documents.shape("x")), "a.bin", f"{OFFICE}presentationml.presentation"),
        (documents.xlsx({"A": []}), "a", f"{OFFICE}spreadsheetml.sheet"),
        (documents.epub({"one": "x"}), "a.zip", "application/epub+zip"),
        (documents.opendocument("", kind="presentation"), "a", "application/vnd.oasis.opendocument.presentation"),
        (b"a,b\n1,2\n", "a.csv", "text/csv"),
        (b"a,b\n1,2\n", "a.txt", PLAIN),
        (b'{"a": 1}', "export", "application/json"),
        (b'[\n  {"a": 1}]', "a.json", "application/json"),
        (b"[1] See the list.", "notes", PLAIN),
        (b"{ a brace }", "notes", PLAIN),
        (b"import os\n", "a.py", "text/x-python"),
        (b"#!/usr/bin/env python3\nimport os\n", "run", "text/x-python"),
        (b"#!/bin/sh\nls\n", "run", "text/x-shellscript"),
        (b"body { color: red }", "a.css", "text/css"),
        (b"From: a@example.org\nSubject: x\n\nHi", "a.eml", "message/rfc822"),
        (b"Received: from x\n\tby y\nMessage-ID: <1@x>\nFrom: a@example.org\n\nHi", "a.txt", "message/rfc822"),
        (b"From: the top\nTo: the bottom\n\nA poem", "a.txt", PLAIN),
        (b"Note: well\nof all", "a.eml", PLAIN),
        ("Grüße".encode("latin-1"), "a.txt", PLAIN),
        ("Grüße".encode("utf-16"), "a.txt", PLAIN),
        ("Grüße an alle".encode("utf-16-le"), "a.txt", PLAIN),
        ("日本語のテキスト".encode("shift_jis"), "a.txt", PLAIN),
        (b"with a zero\0byte in the middle of it", "a.txt", PLAIN),
        (b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0" * 32, "a.txt", "image/png"),
        (b"", "a.txt", PLAIN),
        (b"junk\n%PDF-1.4\n", "a.pdf", PDF),
        (b"1 0 obj\n<< >>\nendobj", "a.pdf", PDF),
        (b"How to write %PDF-1.4 by hand", "a.txt", PLAIN),
    ],
)
def test_formats_are_told_apart(head: bytes, name: str, media_type: str) -> None:
    """By their bytes where these tell, by the name where they do not."""
    assert ContentTypes().detect(head, name).media_type == media_type


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda data: b"PK\x03\x04" + data), st.text(max_size=20))
def test_nothing_makes_it_raise(head: bytes, name: str) -> None:
    """Whatever the bytes and the name."""
    assert "/" in ContentTypes().detect(head, name).media_type


@pytest.mark.parametrize("name", ["a.txt", "x.exe", "a"])
@pytest.mark.parametrize(
    "head", [b"MZ\x90\0", b"MZ\x90\0\x03\0\0\0", b"\x7fELF\x02\x01\x01" + b"a" * 99, b"\x90\0", b"a\0b\1"]
)
def test_programs_and_stray_zero_bytes_are_no_text(head: bytes, name: str) -> None:
    """UTF-16 without a mark is believed where several characters speak for it."""
    assert not ContentTypes().detect(head, name).supported
