"""The Messages API on a local port: checked requests, scripted answers, recorded traffic."""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from itertools import count
from typing import Any

from attrs import define, field

from tests.claude_emulator.cache import PromptCache, count_tokens
from tests.claude_emulator.catalogue import MODELS, Model, model_info
from tests.claude_emulator.http import Connection, Gone, Request, TooLarge
from tests.claude_emulator.replies import message_for
from tests.claude_emulator.rules import broken_rule
from tests.claude_emulator.scenarios import Fault, Scenario
from tests.claude_emulator.sse import PING, events, frame, whole
from tests.claude_emulator.validation import problem_of

VERSIONS = {"2023-06-01", "2026-10-21"}
OLD_VERSION = "2023-06-01"
REFUSED_KEY = "invalid"
_SAMPLING = ("temperature", "top_p", "top_k")  # the old version takes them
_HTML = b"<!doctype html><title>502</title><h1>Bad Gateway</h1>"


class Refused(Exception):
    """The request gets an error."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type


@define(kw_only=True)
class Recorded:
    """A request as it came, and what became of the client."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any
    received_at: float  # time.monotonic()
    status: int | None = None  # None while nothing was answered
    disconnected_at: float | None = None  # when the client left before the answer's end
    finished: bool = False  # the whole answer was sent


@define
class ClaudeEmulator:
    """Start it, point a client at `url`, script it by API key."""

    port: int = 0
    _server: asyncio.Server | None = None
    _scripts: dict[str, deque[Scenario]] = field(factory=lambda: defaultdict(deque))
    _recorded: dict[str, list[Recorded]] = field(factory=lambda: defaultdict(list))
    _caches: dict[str, PromptCache] = field(factory=lambda: defaultdict(PromptCache))
    _serving: set[asyncio.Task[None]] = field(factory=set)
    _ids: "count[int]" = field(factory=lambda: count(1))

    @property
    def url(self) -> str:
        """Without `/v1`, as the SDK wants it. A path prefix may be added."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on loopback; port 0 takes a free one."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def script(self, key: str, *scenarios: Scenario) -> None:
        """What the next requests of this API key meet, in order."""
        self._scripts[key].extend(scenarios)

    def recorded(self, key: str) -> list[Recorded]:
        """The requests of this API key, oldest first."""
        return self._recorded[key]

    def reset(self, key: str | None = None) -> None:
        """Forget scripts, records and caches, of one key or of all."""
        for store in (self._scripts, self._recorded, self._caches):
            if key is None:
                store.clear()
            else:
                store.pop(key, None)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        connection = Connection(reader, writer)
        try:
            await self._serve(connection)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._serving.discard(task)
            await connection.close()

    async def _serve(self, connection: Connection) -> None:
        headers = self._headers()
        try:
            request = await connection.request()
        except TooLarge:
            await self._answer(
                connection, 413, _error("request_too_large", "Request exceeds the maximum size"), headers
            )
            return
        if request is None:
            return
        key = _key_of(request)
        if "/__emu/" in request.path:
            await self._control(connection, request)
            return
        record = Recorded(
            method=request.method,
            path=request.path,
            headers=request.headers,
            body=None,
            received_at=time.monotonic(),
        )
        self._recorded[key].append(record)
        try:
            await self._route(connection, request, record, key, headers)
            record.finished = True
        except Refused as refused:
            record.status = refused.status
            body = _error(refused.error_type, str(refused))
            await self._answer(connection, refused.status, body, headers)
        except Gone:
            record.disconnected_at = connection.disconnected_at

    async def _route(
        self, connection: Connection, request: Request, record: Recorded, key: str, headers: dict[str, str]
    ) -> None:
        _authenticate(request, key)
        path = request.path[request.path.find("/v1/") :]
        if request.method == "GET" and (path == "/v1/models" or path.startswith("/v1/models/")):
            record.status = 200
            await self._answer(connection, 200, _models(path), headers)
            return
        if request.method != "POST" or path not in {"/v1/messages", "/v1/messages/count_tokens"}:
            raise Refused(404, "not_found_error", "Not found")
        record.body = _checked_json(request)
        counting = path.endswith("count_tokens")
        model = _checked(record.body, request.headers["anthropic-version"], counting=counting)
        if counting:
            await self._answer(connection, 200, {"input_tokens": count_tokens(record.body)}, headers)
            return
        await self._play(connection, record, model, self._next_scenario(key), (key, headers))

    def _next_scenario(self, key: str) -> Scenario:
        script = self._scripts[key]
        if not script:
            return Scenario()
        scenario = script.popleft()
        left = scenario.once_less()
        if left is not None:
            script.appendleft(left)
        return scenario

    async def _play(
        self,
        connection: Connection,
        record: Recorded,
        model: Model,
        scenario: Scenario,
        keyed: tuple[str, dict[str, str]],
    ) -> None:
        key, headers = keyed
        fault, body = scenario.fault, record.body
        if fault is not None and await self._fails_at_once(connection, record, fault, headers):
            return
        usage = self._caches[key].usage(body, model)
        identity: dict[str, Any] = {"message_id": f"msg_{next(self._ids):08}", "model": body["model"], "usage": usage}
        message = message_for(body, scenario)
        record.status = 200
        if not body.get("stream"):
            await self._answer(connection, 200, whole(message, **identity), headers)
            return
        kind = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}
        await connection.start_chunks({**headers, **kind})
        for number, event in enumerate(events(message, **identity, piece=scenario.framing.piece)):
            if fault is not None and number >= fault.after and await self._fails_inside(connection, fault, headers):
                return
            await self._wait(connection, scenario)
            named = fault is None or fault.kind != "no_event_lines"
            data = frame(event, scenario.framing, with_name=named)
            for piece in [bytes([byte]) for byte in data] if scenario.framing.dribble else [data]:
                await connection.chunk(piece)
                if scenario.framing.dribble:
                    await asyncio.sleep(0)
        await connection.end_chunks()

    async def _wait(self, connection: Connection, scenario: Scenario) -> None:
        left, every = scenario.delay, scenario.framing.ping_every
        while every is not None and left > every:
            await connection.pause(every)
            await connection.chunk(frame(PING, scenario.framing))
            left -= every
        if left > 0:
            await connection.pause(left)

    async def _fails_at_once(
        self, connection: Connection, record: Recorded, fault: Fault, headers: dict[str, str]
    ) -> bool:
        match fault.kind:
            case "status":
                record.status = fault.status
                details = {"details": {"error_code": fault.error_code}} if fault.error_code else {}
                body = _error(fault.error_type, "As scripted.", **details)
                await self._answer(connection, fault.status, body, {**headers, **fault.headers})
            case "html":
                record.status = fault.status
                await connection.send(fault.status, {**headers, "content-type": "text/html"}, _HTML)
            case "bad_json":
                record.status = fault.status
                await connection.send(fault.status, {**headers, "content-type": "application/json"}, b'{"type": "mess')
            case "hang":
                await connection.pause(None)
            case _:
                return False
        return True

    async def _fails_inside(self, connection: Connection, fault: Fault, headers: dict[str, str]) -> bool:
        match fault.kind:
            case "stall":
                await connection.pause(None)
            case "error_event":
                error = _error(fault.error_type, "As scripted.") | {"request_id": headers["request-id"]}
                await connection.chunk(f"event: error\ndata: {json.dumps(error)}\n\n".encode())
                await connection.end_chunks()
            case "fin" | "rst":
                connection.cut(reset=fault.kind == "rst")
            case "truncated":
                await connection.end_chunks()
            case "malformed":
                await connection.chunk(b'event: content_block_delta\ndata: {"type": "content_bl\n\n')
                await connection.end_chunks()
            case _:
                return False
        return True

    async def _answer(self, connection: Connection, status: int, body: object, headers: Mapping[str, str]) -> None:
        kind = {"content-type": "application/json"}
        try:
            await connection.send(status, {**headers, **kind}, json.dumps(body, ensure_ascii=False).encode())
        except Gone:
            return

    async def _control(self, connection: Connection, request: Request) -> None:
        match request.method, request.path.rsplit("/", 1)[-1]:
            case "POST", "script":
                asked = request.json()
                self.script(asked["key"], *(Scenario.of_json(each) for each in asked["scenarios"]))
                body: object = {}
            case "POST", "reset":
                self.reset(request.json().get("key") if request.body else None)
                body = {}
            case "GET", "requests":
                body = {key: [_shown(record) for record in records] for key, records in self._recorded.items()}
            case _:
                await self._answer(connection, 404, _error("not_found_error", "Not found"), {})
                return
        await self._answer(connection, 200, body, {})

    def _headers(self) -> dict[str, str]:
        headers = {
            "request-id": f"req_{next(self._ids):08}",
            "anthropic-organization-id": "00000000-0000-4000-8000-000000000001",
            "anthropic-workspace-id": "wrkspc_emulator",
        }
        for kind, limit in (
            ("requests", 4000),
            ("tokens", 400_000),
            ("input-tokens", 300_000),
            ("output-tokens", 80_000),
        ):
            prefix = f"anthropic-ratelimit-{kind}"
            headers |= {
                f"{prefix}-limit": str(limit),
                f"{prefix}-remaining": str(limit - 1),
                f"{prefix}-reset": "2026-11-23T00:01:00Z",
            }
        return headers


def _error(error_type: str, message: str, **more: object) -> dict[str, object]:
    return {"type": "error", "error": {"type": error_type, "message": message, **more}}


def _key_of(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" and token else request.headers.get("x-api-key", "")


def _authenticate(request: Request, key: str) -> None:
    if not key or key == REFUSED_KEY:
        raise Refused(401, "authentication_error", "invalid api key")
    if request.headers.get("anthropic-version") not in VERSIONS:
        raise Refused(400, "invalid_request_error", "anthropic-version: required, and must be a known version")


def _checked_json(request: Request) -> Any:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise Refused(400, "invalid_request_error", "content-type: must be application/json")
    try:
        return request.json()
    except ValueError:
        raise Refused(400, "invalid_request_error", "The request body is not valid JSON") from None


def _checked(body: Any, version: str, *, counting: bool) -> Model:
    shape = body
    if version == OLD_VERSION and isinstance(body, dict):
        shape = {name: value for name, value in body.items() if name not in _SAMPLING}
    problem = problem_of(shape, counting=counting)
    if problem is not None:
        raise Refused(400, "invalid_request_error", problem)
    model = MODELS.get(body["model"])
    if model is None or model.lifecycle == "retired":
        raise Refused(404, "not_found_error", f"model: {body['model']}")
    problem = broken_rule({"max_tokens": 1, **body}, model)
    if problem is not None:
        raise Refused(400, "invalid_request_error", problem)
    return model


def _models(path: str) -> dict[str, object]:
    _, _, asked = path.partition("/v1/models/")
    if asked:
        if asked not in MODELS:
            raise Refused(404, "not_found_error", f"model: {asked}")
        return model_info(MODELS[asked])
    data = [model_info(model) for model in MODELS.values()]
    return {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}


def _shown(record: Recorded) -> dict[str, object]:
    return {
        "method": record.method,
        "path": record.path,
        "headers": dict(record.headers),
        "body": record.body,
        "status": record.status,
        "received_at": record.received_at,
        "disconnected_at": record.disconnected_at,
        "finished": record.finished,
    }
