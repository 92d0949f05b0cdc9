"""How routes are declared: the description from the use case's docstring, the errors that may come."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from entrypoints.http.dependencies import etag
from entrypoints.http.errors import PROBLEM_JSON
from entrypoints.http.json_response import JSONResponse

WORKSPACE: Final = "/v1/workspaces/{workspace_id}"
PROBLEM_REF: Final = {"$ref": "#/components/schemas/ProblemOut"}

MEANINGS: Final[Mapping[int, str]] = {
    401: "Who asks is not known",
    403: "Not allowed",
    404: "Missing, or not for the asker's eyes",
    409: "The present state does not allow it",
    412: "Somebody else changed it first",
    413: "Over a limit of size",
    415: "A format that cannot be read",
    416: "The range begins after the end",
    422: "Not as it should be",
    429: "Over a limit or a quota; `Retry-After` says when to ask again",
    500: "A defect of the server",
    503: "An engine does not answer",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, all of one shape."""
    return {
        status: {"description": MEANINGS[status], "content": {PROBLEM_JSON: {"schema": dict(PROBLEM_REF)}}}
        for status in statuses
    }


def about(*use_cases: type) -> str:
    """The text of a use case, for the reader of the API."""
    return "\n\n".join(inspect.getdoc(use_case) or "" for use_case in use_cases)


def event_stream(description: str, *names: str) -> dict[str, Any]:
    """The documented shape of a stream of events."""
    return {
        "description": description,
        "content": {
            "text/event-stream": {
                "schema": {"description": "Events: " + ", ".join(f"`{name}`" for name in names) + "."}
            }
        },
    }


def versioned(content: Mapping[str, Any], *, status: int = 200, location: str | None = None) -> JSONResponse:
    """A resource with its `ETag`, and where it can be found."""
    headers = {"ETag": etag(content["version"])}
    if location:
        headers["Location"] = location
    return JSONResponse(content, status_code=status, headers=headers)
