"""The one table of formats: what is read, by which module, under which names it is known.

A further format is one module with a `read` function and one row here; telling it apart by content is
`detection`'s part. The functions import late, so that naming a format loads no library.
"""

from collections.abc import Callable, Mapping
from typing import Final

from attrs import frozen

from adapters.parsing.limits import Limits
from adapters.parsing.source import Source
from domain.passages import ParsedDocument

Reader = Callable[[Source, Limits], ParsedDocument]
"""Reads one file within limits. Raises `ParsingFailed` for what it can name; other exceptions are reported for it."""

PDF: Final = "application/pdf"
HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
PLAIN: Final = "text/plain"
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_OPEN: Final = "application/vnd.oasis.opendocument."
DOCX: Final = f"{_OFFICE}wordprocessingml.document"
PPTX: Final = f"{_OFFICE}presentationml.presentation"
XLSX: Final = f"{_OFFICE}spreadsheetml.sheet"
XLS: Final = "application/vnd.ms-excel"
ODT: Final = f"{_OPEN}text"
ODP: Final = f"{_OPEN}presentation"
ODS: Final = f"{_OPEN}spreadsheet"
EPUB: Final = "application/epub+zip"
RTF: Final = "application/rtf"
MAIL: Final = "message/rfc822"
CSV: Final = "text/csv"
TSV: Final = "text/tab-separated-values"
JSON: Final = "application/json"


@frozen
class Format:
    """A format that can be read. `load` imports its reader; only children call it."""

    media_type: str
    extensions: tuple[str, ...]
    load: Callable[[], Reader]
    by_name: bool = False  # text that only its name tells from other text


def _pdf() -> Reader:
    from adapters.parsing.pdf import read

    return read


def _docx() -> Reader:
    from adapters.parsing.docx import read

    return read


def _html() -> Reader:
    from adapters.parsing.html import read

    return read


def _markdown() -> Reader:
    from adapters.parsing.markdown import read

    return read


def _plain() -> Reader:
    from adapters.parsing.plain import read

    return read


def _pptx() -> Reader:
    from adapters.parsing.pptx import read

    return read


def _sheets() -> Reader:
    from adapters.parsing.sheets import read

    return read


def _opendocument() -> Reader:
    from adapters.parsing.opendocument import read

    return read


def _epub() -> Reader:
    from adapters.parsing.epub import read

    return read


def _rtf() -> Reader:
    from adapters.parsing.rtf import read

    return read


def _eml() -> Reader:
    from adapters.parsing.eml import read

    return read


def _delimited() -> Reader:
    from adapters.parsing.delimited import read

    return read


def _json() -> Reader:
    from adapters.parsing.json_text import read

    return read


def _code() -> Reader:
    from adapters.parsing.code import read

    return read


_SOURCE_CODE: Final[Mapping[str, tuple[str, ...]]] = {
    "text/x-python": ("py", "pyi"),
    "text/javascript": ("js", "mjs", "cjs", "jsx"),
    "text/x-typescript": ("ts", "mts", "tsx"),
    "text/x-java": ("java",),
    "text/x-kotlin": ("kt", "kts"),
    "text/x-scala": ("scala",),
    "text/x-c": ("c", "h"),
    "text/x-c++": ("cpp", "cc", "cxx", "hpp", "hh"),
    "text/x-csharp": ("cs",),
    "text/x-go": ("go",),
    "text/x-rust": ("rs",),
    "text/x-swift": ("swift",),
    "text/x-ruby": ("rb",),
    "text/x-php": ("php",),
    "text/x-perl": ("pl", "pm"),
    "text/x-lua": ("lua",),
    "text/x-r": ("r",),
    "text/x-julia": ("jl",),
    "text/x-haskell": ("hs",),
    "text/x-elixir": ("ex", "exs"),
    "text/x-erlang": ("erl",),
    "text/x-clojure": ("clj", "cljs"),
    "text/x-dart": ("dart",),
    "text/x-shellscript": ("sh", "bash", "zsh"),
    "text/x-powershell": ("ps1", "psm1"),
    "text/x-sql": ("sql",),
    "text/x-protobuf": ("proto",),
    "text/x-terraform": ("tf", "hcl"),
    "text/css": ("css", "scss", "less"),
    "text/x-tex": ("tex",),
    "application/yaml": ("yaml", "yml"),
    "application/toml": ("toml",),
    "text/x-ini": ("ini", "cfg", "conf", "properties"),
    "application/xml": ("xml", "xsd", "xsl"),
}

FORMATS: Final[Mapping[str, Format]] = {
    row.media_type: row
    for row in (
        Format(PDF, ("pdf",), _pdf),
        Format(DOCX, ("docx", "docm", "dotx"), _docx),
        Format(PPTX, ("pptx", "pptm", "ppsx"), _pptx),
        Format(XLSX, ("xlsx", "xlsm"), _sheets),
        Format(XLS, ("xls",), _sheets),
        Format(ODT, ("odt", "ott"), _opendocument),
        Format(ODP, ("odp",), _opendocument),
        Format(ODS, ("ods",), _sheets),
        Format(EPUB, ("epub",), _epub),
        Format(RTF, ("rtf",), _rtf),
        Format(HTML, ("html", "htm", "xhtml"), _html),
        Format(MAIL, ("eml",), _eml),
        Format(MARKDOWN, ("md", "markdown", "mdown", "mkd"), _markdown, by_name=True),
        Format(PLAIN, ("txt", "text", "log", "rst", "adoc", "org"), _plain, by_name=True),
        Format(CSV, ("csv",), _delimited, by_name=True),
        Format(TSV, ("tsv", "tab"), _delimited, by_name=True),
        Format(JSON, ("json", "jsonl", "ndjson", "geojson"), _json, by_name=True),
        *(Format(media_type, names, _code, by_name=True) for media_type, names in _SOURCE_CODE.items()),
    )
}
