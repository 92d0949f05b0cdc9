"""Bodies of requests to the embedded Qdrant server, read by the client's own models."""

from contextlib import suppress
from typing import Any

from pydantic import TypeAdapter, ValidationError

from adapters.embedded.qdrant_translate import Unsupported


def parse(body: bytes, shape: Any) -> Any:
    """The body as its model. Raises Unsupported with the field that is wrong."""
    try:
        if isinstance(shape, TypeAdapter):
            return shape.validate_json(body)
        return shape.model_validate_json(body)
    except ValidationError as error:
        raise Unsupported(_blame(error, body)) from None


def _blame(error: ValidationError, body: bytes) -> str:
    """The one line that says which field is wrong.

    Models with alternatives yield an error for each of them. The one that got furthest into the body is meant,
    and an unknown field says more than a missing one.
    """
    with suppress(ValueError):
        data = TypeAdapter(Any).validate_json(body)
        best = max(
            error.errors(include_url=False, include_input=False),
            key=lambda each: (len(_path(each["loc"], data)), each["type"] == "extra_forbidden"),
        )
        path = ".".join(str(part) for part in _path(best["loc"], data)) or "body"
        return f"Format error in JSON body: `{path}`: {best['msg']}"
    return "Format error in JSON body: it is not JSON"


def _path(location: tuple[int | str, ...], data: Any) -> list[int | str]:
    """The part of an error's location that is in the body: names of alternatives are left out."""
    path: list[int | str] = []
    for part in location:
        in_array = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not in_array and not (isinstance(data, dict) and part in data):
            continue
        data = data[part]
        path.append(part)
    return path
