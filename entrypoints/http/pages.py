"""The web page, the reference of the API and the published document; nothing comes from elsewhere."""

from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from domain.errors import NotFound
from entrypoints.http.json_response import JSONResponse

STATIC: Final = Path(__file__).parent / "static"
ASSETS: Final = {"app.js": "text/javascript", "style.css": "text/css"}
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS: Final = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


@cache
def _file(name: str) -> str:
    return (STATIC / name).read_text("utf-8")


@router.get("/v1/openapi.json")
async def openapi(request: Request) -> JSONResponse:
    """The description of the API."""
    return JSONResponse(request.app.openapi(), headers={"Cache-Control": "no-cache"})


@router.get("/")
async def index() -> HTMLResponse:
    """Upload, search and ask in a browser."""
    return HTMLResponse(_file("index.html"), headers=PAGE_HEADERS)


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """A script or a style of ours."""
    if name not in ASSETS:
        raise NotFound("There is nothing at this path.")
    return Response(_file(name), media_type=ASSETS[name], headers=PAGE_HEADERS)


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The description of the API, to read."""
    return HTMLResponse(reference(request.app.openapi()), headers=PAGE_HEADERS)


def reference(document: dict[str, Any]) -> str:
    """The document as a page without scripts."""
    info = document["info"]
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append(_operation(method, path, operation))
    meaning = {tag["name"]: tag["description"] for tag in document["tags"]}
    sections = "".join(
        f'<section id="{escape(tag)}"><h2>{escape(tag)}</h2><p>{escape(meaning.get(tag, ""))}</p>{"".join(found)}'
        "</section>"
        for tag, found in groups.items()
    )
    schemas = "".join(_schema(name, schema) for name, schema in document["components"]["schemas"].items())
    contents = "".join(f'<a href="#{escape(tag)}">{escape(tag)}</a> ' for tag in [*groups, "shapes"])
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title>"
        '<link rel="stylesheet" href="/assets/style.css"></head><body><main>'
        f"<h1>{escape(info['title'])} API <small>{escape(info['version'])}</small></h1>"
        f"{_prose(info['description'])}"
        f'<p><a href="/v1/openapi.json">openapi.json</a></p><nav>{contents}</nav>{sections}'
        f'<section id="shapes"><h2>Shapes</h2>{schemas}</section></main></body></html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td>"
        f"<td>{_type(p['schema'])}</td><td>{escape(p.get('description', ''))}</td></tr>"
        for p in operation.get("parameters", ())
    )
    table = f"<table><tr><th>Name</th><th>In</th><th>Type</th><th></th></tr>{parameters}</table>" if parameters else ""
    bodies = operation.get("requestBody", {}).get("content", {})
    body = "".join(f"<p>Body: {escape(kind)}, {_type(content['schema'])}</p>" for kind, content in bodies.items())
    answers = "".join(
        f"<li><b>{escape(status)}</b> {escape(answer.get('description', ''))} {_answer_type(answer)}</li>"
        for status, answer in operation["responses"].items()
    )
    lock = "" if operation.get("security") else " <small>open</small>"
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b class="{method}">{method.upper()}</b> '
        f"<code>{escape(path)}</code> {escape(operation['summary'])}{lock}</summary>"
        f"{_prose(operation.get('description', ''))}{table}{body}<ul>{answers}</ul></details>"
    )


def _answer_type(answer: dict[str, Any]) -> str:
    return ", ".join(
        f"<small>{escape(kind)}</small> {_type(content.get('schema', {}))}"
        for kind, content in answer.get("content", {}).items()
    )


def _schema(name: str, schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{_type(inner)}</td>"
        f"<td>{escape(inner.get('description', ''))}</td></tr>"
        for field, inner in schema.get("properties", {}).items()
    )
    values = escape(", ".join(map(str, schema.get("enum", ()))))
    return (
        f'<details id="shape-{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"{_prose(schema.get('description', ''))}<p>{values}</p><table>{rows}</table></details>"
    )


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[-1])
        return f'<a href="#shape-{name}"><code>{name}</code></a>'
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_type(option) for option in schema[union])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if "enum" in schema:
        return escape(" | ".join(map(str, schema["enum"])))
    return escape(str(schema.get("const", schema.get("format", schema.get("type", "any")))))


def _prose(text: str) -> str:
    """Paragraphs and lists of plain text."""
    html: list[str] = []
    for block in text.split("\n\n"):
        lines = block.strip().split("\n")
        if lines[0].startswith("- "):
            html.append("<ul>" + "".join(f"<li>{escape(line.removeprefix('- '))}</li>" for line in lines) + "</ul>")
        elif lines[0]:
            html.append(f"<p>{escape(' '.join(lines))}</p>")
    return "".join(html)
