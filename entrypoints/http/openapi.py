"""The published description of the API (OpenAPI 3.1)."""

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from entrypoints.http.errors import PROBLEM_JSON
from entrypoints.http.examples import add_examples
from entrypoints.http.resources import FieldErrorOut, ProblemOut
from entrypoints.http.routing import WORKSPACE, problems
from entrypoints.http.sse import EVENT_STREAM

REF: Final = "#/components/schemas/{model}"
METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
TAGS: Final = [
    {"name": "auth", "description": "Accounts, log in, sessions."},
    {"name": "workspaces", "description": "A team's room for its documents."},
    {"name": "collections", "description": "Groups of documents that carry access."},
    {"name": "documents", "description": "Upload, look at, change, delete."},
    {"name": "knowledge", "description": "Search."},
    {"name": "chat", "description": "Questions, and answers with citations that can be checked."},
    {"name": "operations", "description": "Alive, ready, numbers. Meant for the inside of the network."},
]


def describe(app: FastAPI) -> dict[str, Any]:
    """The document, made once: every operation with all the errors that it may answer with."""
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        description=app.description,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        routes=app.routes,
        tags=TAGS,
        servers=[{"url": "/"}],
    )
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in METHODS:
                _complete(path, operation)
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    _, shared = models_json_schema([(ProblemOut, "serialization"), (FieldErrorOut, "serialization")], ref_template=REF)
    schemas.update(shared["$defs"])
    for operations in document["paths"].values():
        for method in METHODS & operations.keys():
            add_examples(operations[method]["responses"], schemas)
    app.openapi_schema = document
    return document


def _complete(path: str, operation: dict[str, Any]) -> None:
    statuses = [500]
    if operation.get("security"):
        statuses += [401, 429, 503]
    if path.startswith("/v1/auth/"):
        statuses += [429, 503]
    if path.startswith(WORKSPACE):
        statuses += [403, 404]
    if "requestBody" in operation:
        statuses += [413, 415, 422]
    responses = operation["responses"]
    framework = responses.get("422", {}).get("content", {})
    if "application/json" in framework:
        del responses["422"]
        statuses.append(422)
    for status, response in problems(*statuses).items():
        responses.setdefault(str(status), response)
    for status, response in responses.items():
        # the framework calls a stream a string, and each event of it is more to some readers
        response.get("content", {}).get(EVENT_STREAM, {}).get("schema", {}).pop("type", None)
        if int(status) >= 400 and PROBLEM_JSON in response.get("content", {}):  # noqa: PLR2004
            response["content"].pop("application/json", None)
    operation["responses"] = dict(sorted(responses.items()))
