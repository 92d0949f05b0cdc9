"""The routes of the embedded Qdrant server: each reads a request, asks Edge, and gives the answer's `result`."""

from typing import Any
from uuid import UUID

import qdrant_edge as edge
from pydantic_core import to_json
from qdrant_client.http import models
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.embedded import qdrant_queries as queries
from adapters.embedded import qdrant_translate as translate
from adapters.embedded.qdrant_collection import Collection, engine_errors
from adapters.embedded.qdrant_http import (
    PROBES,
    Handler,
    KeyRequired,
    Shortcut,
    answer,
    body_of,
    failure,
    json_response,
    read,
)
from adapters.embedded.qdrant_shards import Shards
from adapters.embedded.qdrant_updates import Change
from adapters.embedded.qdrant_usual import search_of

VERSION = "1.20.0"  # of the REST API whose models are used
FLUSH_SECONDS = 2.0  # after which written segments reach the disk


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
        self._shards.create(request.path_params["name"], await read(request, models.CreateCollection))
        return True

    async def delete_collection(self, request: Request) -> Any:
        return await self._shards.delete(request.path_params["name"])

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
        self._shards.change_aliases((await read(request, models.ChangeAliasesOperation)).actions)
        return True

    # --- writing

    def write(self, kind: str) -> Handler:
        """The handler of a kind of change."""

        async def handler(request: Request) -> Any:
            field = request.path_params.get("field")
            body = await body_of(request) if field is None else to_json(field)
            made = await self._collection(request).write(Change(kind, body))
            results = [self._completed() for _ in range(made)]
            return results if kind == "batch" else results[0]

        return handler

    def _completed(self) -> dict[str, Any]:
        self._operations += 1
        return {"operation_id": self._operations, "status": "completed"}

    # --- reading points

    async def get_points(self, request: Request) -> Any:
        body = await read(request, models.PointRequest)
        translate.only(body, "ids", "with_payload", "with_vector")
        ids: list[int | UUID | str] = [translate.point_id(each) for each in body.ids]
        payload = queries.with_payload(body.with_payload, default=True)
        with engine_errors():
            found = self._collection(request).shard.retrieve(ids, payload, body.with_vector or False)
        return [translate.record(each) for each in found]

    async def scroll(self, request: Request) -> Any:
        body = await read(request, models.ScrollRequest)
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
        body = await read(request, models.CountRequest)
        translate.only(body, "filter", "exact")
        asked = edge.CountRequest(exact=body.exact is not False, filter=queries.filter_(body.filter))
        with engine_errors():
            return {"count": self._collection(request).shard.count(asked)}

    async def facet(self, request: Request) -> Any:
        body = await read(request, models.FacetRequest)
        translate.only(body, "key", "limit", "filter", "exact")
        limit = queries.DEFAULT_LIMIT if body.limit is None else body.limit
        asked = edge.FacetRequest(body.key, limit, bool(body.exact), queries.filter_(body.filter))
        with engine_errors():
            found = self._collection(request).shard.facet(asked)
        return {"hits": [{"value": hit.value, "count": hit.count} for hit in found.hits]}

    async def query(self, request: Request) -> Any:
        # what is wrong with a body is said before a collection is missed, as Qdrant does
        asked = search_of(await body_of(request), lambda corpus: self._collection(request).is_all(corpus))
        with engine_errors():
            found = self._collection(request).shard.query(asked)
        return {"points": [translate.scored(each) for each in found]}

    async def query_batch(self, request: Request) -> Any:
        body = await read(request, models.QueryRequestBatch)
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
        "status": "yellow" if collection.rebuilding else "green",
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


def application(shards: Shards, key: str) -> Any:
    """The ASGI application on an open folder."""
    api = _Api(shards)

    async def root(_: Request) -> Response:
        return json_response({"title": "qdrant - vector search engine", "version": VERSION})

    async def probe(_: Request) -> Response:
        return Response("all shards are ready", media_type="text/plain")

    async def refused(request: Request, _: Exception) -> Response:
        return failure(404, f"{request.method} {request.url.path} is not supported by the embedded engine")

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
        ("PUT", f"{one}/index", api.write("create_index")),
        ("DELETE", f"{one}/index/{{field:path}}", api.write("delete_index")),
        ("PUT", f"{one}/points", api.write("upsert")),
        ("POST", f"{one}/points", api.get_points),
        ("POST", f"{one}/points/delete", api.write("delete")),
        ("POST", f"{one}/points/payload", api.write("set_payload")),
        ("PUT", f"{one}/points/payload", api.write("overwrite_payload")),
        ("POST", f"{one}/points/payload/delete", api.write("delete_payload")),
        ("POST", f"{one}/points/payload/clear", api.write("clear_payload")),
        ("POST", f"{one}/points/batch", api.write("batch")),
        ("POST", f"{one}/points/scroll", api.scroll),
        ("POST", f"{one}/points/count", api.count),
        ("POST", f"{one}/points/query", api.query),
        ("POST", f"{one}/points/query/batch", api.query_batch),
        ("POST", f"{one}/facet", api.facet),
    ]
    routes = [Route(path, answer(handler), methods=[method]) for method, path, handler in table]
    routes += [Route("/", root), *(Route(path, probe) for path in sorted(PROBES))]
    app = Starlette(routes=routes, exception_handlers={HTTPException: refused})
    return KeyRequired(Shortcut(app, "/points/query", answer(api.query)), key)
