"""Every answer of every test is held against the published document."""

import json
import re
from typing import Any

import httpx
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

STREAM = "text/event-stream"


class Contract:
    """An OpenAPI document to hold answers against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.seen: set[tuple[str, str, str]] = set()  # (operationId, status, media type)
        # The most literal template first: `/documents/x` is not `/{anything}/x`.
        self._paths = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + r"\Z"), path) for path in document["paths"]]

    async def check(self, response: httpx.Response) -> None:
        """AssertionError unless the answer is a documented one, in status, headers, media type and shape."""
        await response.aread()
        assert response.headers["x-request-id"]
        assert response.headers["x-content-type-options"] == "nosniff"
        media_type = response.headers.get("content-type", "").split(";")[0]
        if response.status_code >= 400:
            assert media_type == "application/problem+json", response.text
            body = response.json()
            self._fits({"$ref": "#/components/schemas/ProblemOut"}, body)
            assert body["status"] == response.status_code
            assert body["request_id"] == response.headers["x-request-id"]
            assert ("errors" in body) == (response.status_code == 422)
        operation = self._operation(response.request)
        if operation is None or response.status_code == 405:
            return
        documented = operation["responses"].get(str(response.status_code))
        assert documented is not None, f"{response.status_code} of {operation['operationId']} is not documented"
        self.seen.add((operation["operationId"], str(response.status_code), media_type))
        contents = documented.get("content", {})
        if not response.content and not contents:
            return
        described = contents.get(media_type, contents.get("*/*"))
        assert described is not None, f"{media_type} of {operation['operationId']} is not documented"
        if media_type.endswith("json") and "*/*" not in contents:
            self._fits(described["schema"], response.json())

    def _operation(self, request: httpx.Request) -> dict[str, Any] | None:
        for pattern, path in self._paths:
            if pattern.match(request.url.path):
                found: dict[str, Any] | None = self.document["paths"][path].get(request.method.lower())
                return found
        return None

    def _fits(self, schema: dict[str, Any], value: Any) -> None:
        Draft202012Validator({**schema, "components": self.document["components"]}).validate(value)


def events(text: str) -> list[tuple[int, str, Any]]:
    """`(id, name, data)` of each event of a stream; comments are left out."""
    found = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if lines:
            members = dict(line.split(": ", 1) for line in lines)
            found.append((int(members["id"]), members["event"], json.loads(members["data"])))
    return found
