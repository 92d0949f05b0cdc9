"""A Qdrant server of one process on a folder: the part of Qdrant's REST API that Reading Room uses.

Run as a module with ``--path DIR --port N`` and the API key in READINGROOM_ENGINE_KEY.
The usual client (``qdrant_client.AsyncQdrantClient(url=…, api_key=…)``) works on it unchanged. Requests are read
by the client's own models, which know every field; what is unknown or not served is refused and named.

An acknowledged write survives the death of the process (Edge's write-ahead log); segments are flushed to disk
shortly after the last write, and when the server stops. Edge holds the interpreter while it works, so its calls
run on the event loop: a thread would only add waiting.
"""

import argparse
import asyncio
import hmac
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import qdrant_edge as edge
import uvicorn
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from qdrant_client.http import models
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.embedded import qdrant_queries as queries
from adapters.embedded import qdrant_translate as translate
from adapters.embedded import qdrant_updates as updates
from adapters.embedded.qdrant_collections import payload_index
from adapters.embedded.qdrant_shards import (
    Collection,
    EngineFailed,
    FolderUnusable,
    NoCollection,
    Shards,
    engine_errors,
)
from adapters.embedded.qdrant_translate import Unsupported

KEY_VARIABLE = "READINGROOM_ENGINE_KEY"
VERSION = "1.20.0"  # of the REST API whose models are used
FLUSH_SECONDS = 2.0  # after which written segments reach the disk
MAX_BODY = 64 * 1024 * 1024  # bytes

Handler = Callable[[Request], Awaitable[Any]]
_OPEN = {"/healthz", "/readyz", "/livez"}
# what the server itself decides; the rest of the query string is refused
_KNOWN_PARAMETERS = {"wait", "ordering", "timeout", "consistency"}

_UPSERT: TypeAdapter[Any] = TypeAdapter(models.PointInsertOperations)
_SELECTOR: TypeAdapter[Any] = TypeAdapter(models.PointsSelector)


class _Api:
    """The routes. Every handler returns the `result` of the answer."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._operations = 0

    def _collection(self, request: Request) -> Collection:
        return self._shards.get(request.path_params["name"])

    # --- collections and aliases

    async def list_collections(self, _: Request) -> Any:
        return {"collections": [{"name": name} for name in self._shards.names]}

    async def create_collection(self, request: Request) -> Any:
        self._shards.create(request.path_params["name"], await _read(request, models.CreateCollection))
        return True

    async def delete_collection(self, request: Request) -> Any:
        return self._shards.delete(request.path_params["name"])

    async def collection_exists(self, request: Request) -> Any:
        return {"exists": self._shards.exists(request.path_params["name"])}

    async def get_collection(self, request: Request) -> Any:
        return _describe(self._collection(request))

    async def list_aliases(self, _: Request) -> Any:
        return _aliases(self._shards.aliases)

    async def collection_aliases(self, request: Request) -> Any:
        name = self._collection(request).name
        return _aliases({alias: target for alias, target in self._shards.aliases.items() if target == name})

    async def change_aliases(self, request: Request) -> Any:
        self._shards.change_aliases((await _read(request, models.ChangeAliasesOperation)).actions)
        return True

    async def create_index(self, request: Request) -> Any:
        body = await _read(request, models.CreateFieldIndex)
        if body.field_schema is None:
            raise Unsupported("`field_schema` is needed by the embedded engine")
        schema = payload_index(body.field_schema)
        return self._apply(self._collection(request), edge.UpdateOperation.create_field_index(body.field_name, schema))

    async def delete_index(self, request: Request) -> Any:
        operation = edge.UpdateOperation.delete_field_index(request.path_params["field"])
        return self._apply(self._collection(request), operation)

    # --- writing points

    def _apply(self, collection: Collection, *operations: edge.UpdateOperation) -> Any:
        for operation in operations:
            collection.update(operation)
        self._operations += 1
        return {"operation_id": self._operations, "status": "completed"}

    async def upsert(self, request: Request) -> Any:
        return self._apply(self._collection(request), updates.upsert(await _read(request, _UPSERT)))

    async def delete_points(self, request: Request) -> Any:
        return self._apply(self._collection(request), updates.delete(await _read(request, _SELECTOR)))

    async def set_payload(self, request: Request) -> Any:
        return self._apply(self._collection(request), updates.set_payload(await _read(request, models.SetPayload)))

    async def overwrite_payload(self, request: Request) -> Any:
        return self._apply(
            self._collection(request), updates.overwrite_payload(await _read(request, models.SetPayload))
        )

    async def delete_payload(self, request: Request) -> Any:
        return self._apply(
            self._collection(request), updates.delete_payload(await _read(request, models.DeletePayload))
        )

    async def clear_payload(self, request: Request) -> Any:
        return self._apply(self._collection(request), updates.clear_payload(await _read(request, _SELECTOR)))

    async def batch_update(self, request: Request) -> Any:
        body = await _read(request, models.UpdateOperations)
        operations = [updates.operation(each) for each in body.operations]  # all are checked before any is applied
        collection = self._collection(request)
        return [self._apply(collection, each) for each in operations]

    # --- reading points

    async def get_points(self, request: Request) -> Any:
        body = await _read(request, models.PointRequest)
        translate.only(body, "ids", "with_payload", "with_vector")
        ids: list[int | UUID | str] = [translate.point_id(each) for each in body.ids]
        payload = queries.with_payload(body.with_payload, default=True)
        with engine_errors():
            found = self._collection(request).shard.retrieve(ids, payload, body.with_vector or False)
        return [translate.record(each) for each in found]

    async def scroll(self, request: Request) -> Any:
        body = await _read(request, models.ScrollRequest)
        translate.only(body, "offset", "limit", "filter", "with_payload", "with_vector", "order_by")
        scroll = edge.ScrollRequest(
            offset=None if body.offset is None else translate.point_id(body.offset),
            limit=queries.DEFAULT_LIMIT if body.limit is None else body.limit,
            filter=queries.filter_(body.filter),
            with_payload=queries.with_payload(body.with_payload, default=True),
            with_vector=body.with_vector or False,
            order_by=queries.order_by(body.order_by),
        )
        with engine_errors():
            found, following = self._collection(request).shard.scroll(scroll)
        return {"points": [translate.record(each) for each in found], "next_page_offset": following}

    async def count(self, request: Request) -> Any:
        body = await _read(request, models.CountRequest)
        translate.only(body, "filter", "exact")
        asked = edge.CountRequest(exact=body.exact is not False, filter=queries.filter_(body.filter))
        with engine_errors():
            return {"count": self._collection(request).shard.count(asked)}

    async def facet(self, request: Request) -> Any:
        body = await _read(request, models.FacetRequest)
        translate.only(body, "key", "limit", "filter", "exact")
        limit = queries.DEFAULT_LIMIT if body.limit is None else body.limit
        asked = edge.FacetRequest(body.key, limit, bool(body.exact), queries.filter_(body.filter))
        with engine_errors():
            answer = self._collection(request).shard.facet(asked)
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in answer.hits]}

    async def query(self, request: Request) -> Any:
        asked = queries.query_request(await _read(request, models.QueryRequest))
        with engine_errors():
            found = self._collection(request).shard.query(asked)
        return {"points": [translate.scored(each) for each in found]}

    async def query_batch(self, request: Request) -> Any:
        body = await _read(request, models.QueryRequestBatch)
        asked = [queries.query_request(each) for each in body.searches]
        shard = self._collection(request).shard
        with engine_errors():
            return [{"points": [translate.scored(each) for each in shard.query(one)]} for one in asked]


def _aliases(aliases: dict[str, str]) -> dict[str, Any]:
    return {"aliases": [{"alias_name": alias, "collection_name": target} for alias, target in sorted(aliases.items())]}


def _describe(collection: Collection) -> dict[str, Any]:
    """A collection as the REST API describes it."""
    with engine_errors():
        info = collection.shard.info()
    made = collection.made_by.model_dump(mode="json", exclude_none=True)
    hnsw = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000} | made.get("hnsw_config", {})
    params = {"vectors": made.get("vectors", {}), "sparse_vectors": made.get("sparse_vectors", {})}
    return {
        "status": "green",
        "optimizer_status": "ok",
        "points_count": info.points_count,
        "indexed_vectors_count": info.indexed_vectors_count,
        "segments_count": info.segments_count,
        "config": {
            "params": params | {"shard_number": 1, "replication_factor": 1, "write_consistency_factor": 1},
            "hnsw_config": hnsw,
            "optimizer_config": {"default_segment_number": 1, "flush_interval_sec": int(FLUSH_SECONDS)},
            "quantization_config": made.get("quantization_config"),
        },
        "payload_schema": {
            name: {"data_type": str(index.data_type).rpartition(".")[2].lower(), "points": index.points}
            for name, index in info.payload_schema.items()
        },
    }


async def _read(request: Request, shape: Any) -> Any:
    """The body, checked by its model. Raises Unsupported with the field that is wrong."""
    body = await request.body()
    if len(body) > MAX_BODY:
        raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes")
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


def _answer(handler: Handler) -> Handler:
    """Wrap a result, or what went wrong, the way Qdrant does."""

    async def endpoint(request: Request) -> Response:
        began = time.perf_counter()
        try:
            _check_parameters(request)
            result = await handler(request)
        except Unsupported as error:
            return _error(400, str(error), began)
        except NoCollection as error:
            return _error(404, str(error), began)
        except EngineFailed as error:
            status = 500 if "Service" in str(error) or "Panic" in type(error.__cause__).__name__ else 400
            return _error(status, str(error), began)
        except OSError as error:
            return _error(507, f"the folder cannot be written: {error.strerror}", began)
        return _json({"time": time.perf_counter() - began, "status": "ok", "result": result})

    return endpoint


def _check_parameters(request: Request) -> None:
    if unknown := set(request.query_params) - _KNOWN_PARAMETERS:
        raise Unsupported(f"query parameter `{min(unknown)}` is not supported by the embedded engine")


def _json(content: Any, status: int = 200) -> Response:
    return Response(to_json(content, inf_nan_mode="constants"), status, media_type="application/json")


def _error(status: int, message: str, began: float | None = None) -> Response:
    taken = 0.0 if began is None else time.perf_counter() - began
    return _json({"time": taken, "status": {"error": message}, "result": None}, status)


class _KeyRequired:
    """Lets nothing through without the key, except the probes."""

    def __init__(self, app: Any, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] not in _OPEN:
            given = dict(scope["headers"]).get(b"api-key", b"")
            if not hmac.compare_digest(given, self._key):
                await _error(401, "Must provide an API key")(scope, receive, send)
                return
        await self._app(scope, receive, send)


def application(shards: Shards, key: str) -> Any:
    """The ASGI application on an open folder."""
    api = _Api(shards)

    async def root(_: Request) -> Response:
        return _json({"title": "qdrant - vector search engine", "version": VERSION})

    async def probe(_: Request) -> Response:
        return Response("all shards are ready", media_type="text/plain")

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code not in {404, 405}:
            return _error(error.status_code, error.detail)
        return _error(404, f"{request.method} {request.url.path} is not supported by the embedded engine")

    one = "/collections/{name}"
    table: list[tuple[str, str, Handler]] = [
        ("GET", "/collections", api.list_collections),
        ("POST", "/collections/aliases", api.change_aliases),
        ("GET", "/aliases", api.list_aliases),
        ("PUT", one, api.create_collection),
        ("GET", one, api.get_collection),
        ("DELETE", one, api.delete_collection),
        ("GET", f"{one}/exists", api.collection_exists),
        ("GET", f"{one}/aliases", api.collection_aliases),
        ("PUT", f"{one}/index", api.create_index),
        ("DELETE", f"{one}/index/{{field:path}}", api.delete_index),
        ("PUT", f"{one}/points", api.upsert),
        ("POST", f"{one}/points", api.get_points),
        ("POST", f"{one}/points/delete", api.delete_points),
        ("POST", f"{one}/points/payload", api.set_payload),
        ("PUT", f"{one}/points/payload", api.overwrite_payload),
        ("POST", f"{one}/points/payload/delete", api.delete_payload),
        ("POST", f"{one}/points/payload/clear", api.clear_payload),
        ("POST", f"{one}/points/batch", api.batch_update),
        ("POST", f"{one}/points/scroll", api.scroll),
        ("POST", f"{one}/points/count", api.count),
        ("POST", f"{one}/points/query", api.query),
        ("POST", f"{one}/points/query/batch", api.query_batch),
        ("POST", f"{one}/facet", api.facet),
    ]
    # the most frequent request is looked up first
    table.sort(key=lambda row: row[2] != api.query)
    routes = [Route(path, _answer(handler), methods=[method]) for method, path, handler in table]
    routes += [Route("/", root), *(Route(path, probe) for path in sorted(_OPEN))]
    app = Starlette(routes=routes, exception_handlers={HTTPException: refused})
    return _KeyRequired(app, key)


async def _serve(shards: Shards, host: str, port: int, key: str) -> None:
    config = uvicorn.Config(
        application(shards, key),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=60,
        timeout_graceful_shutdown=5,
    )

    async def flush_regularly() -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            shards.flush()

    flushing = asyncio.create_task(flush_regularly())
    try:
        await uvicorn.Server(config).serve()
    finally:
        flushing.cancel()


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. 1: the folder cannot be used; 2: wrong call."""
    parser = argparse.ArgumentParser(description="Reading Room's embedded Qdrant server.")
    parser.add_argument("--path", type=Path, required=True, help="the folder that holds the collections")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(arguments)
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        parser.error(f"the environment variable {KEY_VARIABLE} must hold the API key")
    try:
        shards = Shards.open(options.path)
    except FolderUnusable as error:
        sys.stderr.write(f"qdrant: {error}\n")
        return 1
    # uvicorn stops by itself and then raises the signal again: it must find somebody who lets it pass
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        asyncio.run(_serve(shards, options.host, options.port, key))
    finally:
        shards.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
