"""The routes of the embedded Qdrant server: each reads a request, asks Edge, and gives the answer's `result`."""

from typing import Any
from uuid import UUID

import qdrant_edge as edge
from pydantic import TypeAdapter
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
from adapters.embedded.qdrant_http import PROBES, Handler, KeyRequired, answer, failure, json_response, read
from adapters.embedded.qdrant_shards import Collection, Shards, engine_errors
from adapters.embedded.qdrant_translate import Unsupported

VERSION = "1.20.0"  # of the REST API whose models are used
FLUSH_SECONDS = 2.0  # after which written segments reach the disk

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
        self._shards.create(request.path_params["name"], await read(request, models.CreateCollection))
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
        self._shards.change_aliases((await read(request, models.ChangeAliasesOperation)).actions)
        return True

    async def create_index(self, request: Request) -> Any:
        body = await read(request, models.CreateFieldIndex)
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
        return self._apply(self._collection(request), updates.upsert(await read(request, _UPSERT)))

    async def delete_points(self, request: Request) -> Any:
        return self._apply(self._collection(request), updates.delete(await read(request, _SELECTOR)))

    async def set_payload(self, request: Request) -> Any:
        return self._apply(self._collection(request), updates.set_payload(await read(request, models.SetPayload)))

    async def overwrite_payload(self, request: Request) -> Any:
        return self._apply(self._collection(request), updates.overwrite_payload(await read(request, models.SetPayload)))

    async def delete_payload(self, request: Request) -> Any:
        return self._apply(self._collection(request), updates.delete_payload(await read(request, models.DeletePayload)))

    async def clear_payload(self, request: Request) -> Any:
        return self._apply(self._collection(request), updates.clear_payload(await read(request, _SELECTOR)))

    async def batch_update(self, request: Request) -> Any:
        body = await read(request, models.UpdateOperations)
        operations = [updates.operation(each) for each in body.operations]  # all are checked before any is applied
        collection = self._collection(request)
        return [self._apply(collection, each) for each in operations]

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
        asked = queries.query_request(await read(request, models.QueryRequest))
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


def application(shards: Shards, key: str) -> Any:
    """The ASGI application on an open folder."""
    api = _Api(shards)

    async def root(_: Request) -> Response:
        return json_response({"title": "qdrant - vector search engine", "version": VERSION})

    async def probe(_: Request) -> Response:
        return Response("all shards are ready", media_type="text/plain")

    async def refused(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code not in {404, 405}:
            return failure(error.status_code, error.detail)
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
    routes = [Route(path, answer(handler), methods=[method]) for method, path, handler in table]
    routes += [Route("/", root), *(Route(path, probe) for path in sorted(PROBES))]
    app = Starlette(routes=routes, exception_handlers={HTTPException: refused})
    return KeyRequired(app, key)
