"""The embedding process: models for all processes of this machine, over the OpenAI embeddings API.

It listens at once and answers 503 until the model is loaded; `GET /health` says how far it is. What a text is,
a query or a passage, comes in the header ``X-Priority`` (passage when missing): queries overtake passages.
Importing this module imports no torch.
"""

import argparse
import asyncio
import base64
import contextlib
import hmac
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import structlog
from attrs import frozen
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.embedding.cross_encoder import CrossEncoderModel, PairQueue
from adapters.embedding.folder import DEFAULT_MODEL, ModelFolder, find_model
from adapters.embedding.model import Kind, SentenceTransformerModel, Vectors
from adapters.embedding.queue import ModelQueue, QueueFull
from adapters.embedding.shelf import ModelShelf, ServedModel
from adapters.garbage import settle
from application.errors import ApplicationError, EmbedderUnavailable

log = structlog.get_logger(__name__)

KEY_VARIABLE: Final = "READINGROOM_ENGINE_KEY"
MAX_TEXTS: Final = 2048  # as OpenAI's own service
MAX_BODY_BYTES: Final = 32 * 1024 * 1024
_STOP_SECONDS: Final = 3
_TIDY_SECONDS: Final = 60


class Refused(Exception):
    """A request that is not served, in OpenAI's words."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        after: float | None = None,
    ) -> None:
        super().__init__(message)
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, "invalid_request_error")
        self.status = status
        self.headers = {"Retry-After": str(round(after))} if after else {}
        self.body = {
            "error": {
                "message": message,
                "type": kind if status < 500 else "server_error",  # noqa: PLR2004
                "param": param,
                "code": code,
            }
        }


@frozen(kw_only=True)
class EmbeddingRequest:
    """The body of ``POST /v1/embeddings``, checked."""

    texts: Sequence[str]
    model: ServedModel
    base64: bool
    kind: Kind


class EmbeddingServer:
    """The HTTP face of models. Requests need ``Authorization: Bearer <key>``, except ``/health``.

    With `pairs` it answers ``POST /v1/rerank`` too, as Jina's and Cohere's services do.
    """

    def __init__(self, shelf: ModelShelf, *, key: str, pairs: PairQueue | None = None) -> None:
        self._shelf = shelf
        self._first = shelf.first
        self._pairs = pairs
        self._key = key.encode()

    def app(self) -> ASGIApp:
        """The ASGI application; its lifespan loads the model and lets it go.

        Every search waits for its question's vector, so those requests do not go through the layers of a framework.
        """
        others = Starlette(
            routes=[
                Route("/v1/embeddings", self.embeddings, methods=["POST"]),
                Route("/v1/rerank", self.rerank, methods=["POST"]),
                Route("/v1/models", self.models),
                Route("/health", self.health),
            ],
            exception_handlers={Refused: _refused},
            lifespan=self._lifespan,
        )

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or scope["path"] != "/v1/embeddings" or scope["method"] != "POST":
                return await others(scope, receive, send)
            request = Request(scope, receive)
            try:
                answer = await self.embeddings(request)
            except Refused as error:
                answer = await _refused(request, error)
            return await answer(scope, receive, send)

        return serve

    async def embeddings(self, request: Request) -> Response:
        """``POST /v1/embeddings``."""
        self._authorise(request)
        asked = await self._parse(request)
        vectors, tokens = await (self._embed(asked) if asked.kind == "query" else self._while_there(request, asked))
        return Response(_answer(vectors, asked, tokens, asked.model.name), media_type="application/json")

    async def _while_there(self, request: Request, asked: EmbeddingRequest) -> tuple[Vectors, int]:
        """Passages take long enough to drop them when nobody waits for them any more."""
        work = asyncio.create_task(self._embed(asked))
        gone = asyncio.create_task(_disconnected(request))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise Refused(499, "The client went away.")
            return work.result()
        finally:
            work.cancel()
            gone.cancel()

    async def rerank(self, request: Request) -> Response:
        """``POST /v1/rerank``: the score of each document, best first."""
        self._authorise(request)
        body = _object(await _body(request))
        query, documents = body.get("query"), body.get("documents")
        if not isinstance(query, str) or not isinstance(documents, list):
            raise Refused(400, "Give a string `query` and a list of strings `documents`.")
        if not all(isinstance(document, str) for document in documents) or len(documents) > MAX_TEXTS:
            raise Refused(400, f"Give at most {MAX_TEXTS} strings.", param="documents")
        if self._pairs is None:
            raise Refused(404, "No reranker is configured here.", code="model_not_found")
        try:
            scores = await self._pairs.scores(query, documents)
        except ApplicationError as error:
            code = "loading" if error.retry_after else "model_failed"
            raise Refused(503, error.message, code=code, after=error.retry_after) from error
        order = sorted(range(len(scores)), key=lambda index: -scores[index])
        return JSONResponse({"results": [{"index": index, "relevance_score": scores[index]} for index in order]})

    async def models(self, request: Request) -> Response:
        """``GET /v1/models``: those that are loaded."""
        self._authorise(request)
        models = [
            {"id": each.name, "object": "model", "owned_by": "local", "dimensions": each.dimensions}
            for each in self._shelf
        ]
        return JSONResponse({"object": "list", "data": models})

    async def health(self, _request: Request) -> Response:
        """``GET /health``: 200 when the first model is ready, 503 while loading or after that failed."""
        queue = self._first.queue
        about: dict[str, Any] = {"model": self._first.name, "dimensions": self._first.dimensions}
        if queue.failure is not None:
            return JSONResponse(about | {"status": "failed", "reason": queue.failure.message}, 503)
        if queue.model is None:
            return JSONResponse(about | {"status": "loading"}, 503, headers={"Retry-After": "1"})
        return JSONResponse(about | {"status": "ready", "dtype": queue.model.dtype})

    async def _embed(self, asked: EmbeddingRequest) -> tuple[Vectors, int]:
        try:
            return await asked.model.queue.embed(asked.texts, asked.kind)
        except QueueFull as error:
            raise Refused(429, error.message, code="queue_full", after=error.retry_after) from error
        except ApplicationError as error:
            code = "loading" if error.retry_after else "model_failed"
            raise Refused(503, error.message, code=code, after=error.retry_after) from error
        except Exception as error:
            raise Refused(500, "The model failed on these texts.", code="model_failed") from error

    def _authorise(self, request: Request) -> None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.strip().encode(), self._key):
            raise Refused(401, "The API key is missing or wrong.", code="invalid_api_key")

    async def _parse(self, request: Request) -> EmbeddingRequest:
        body = _object(await _body(request))
        given = body.get("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts:
            raise Refused(400, "Give a string or a list of strings, at least one.", param="input")
        if not all(isinstance(text, str) for text in texts):
            raise Refused(400, "Only strings are embedded here; arrays of tokens are not taken.", param="input")
        if len(texts) > MAX_TEXTS:
            raise Refused(400, f"Give at most {MAX_TEXTS} texts at a time.", param="input")
        model = self._model(body.get("model"))
        if body.get("dimensions") not in (None, model.dimensions):
            raise Refused(400, f"The model gives {model.dimensions} dimensions.", param="dimensions")
        encoding = body.get("encoding_format", "float")
        if encoding not in ("float", "base64"):
            raise Refused(400, "Use float or base64.", param="encoding_format")
        priority = request.headers.get("x-priority", "passage")
        kind: Kind = "query" if priority == "query" else "passage"
        return EmbeddingRequest(texts=texts, model=model, base64=encoding == "base64", kind=kind)

    def _model(self, asked: object) -> ServedModel:
        try:
            found = self._shelf.get(asked)
        except EmbedderUnavailable as error:
            raise Refused(404, error.message, param="model", code="model_not_found") from error
        if found is None:
            raise Refused(404, f"The model here is {self._first.name}.", param="model", code="model_not_found")
        return found

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        self._first.queue.start()
        if self._pairs is not None:
            self._pairs.start()
        tidying = asyncio.create_task(self._tidy())
        try:
            yield
        finally:
            tidying.cancel()
            self._shelf.stop()
            if self._pairs is not None:
                self._pairs.stop()

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            self._shelf.tidy()


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    return JSONResponse(error.body, error.status, headers=error.headers)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "The body is not JSON.") from error
    if not isinstance(found, dict):
        raise Refused(400, "The body is not a JSON object.")
    return found


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY_BYTES:
                raise Refused(413, f"The body has more than {MAX_BODY_BYTES} bytes.")
    except ClientDisconnect as error:
        raise Refused(499, "The client went away.") from error
    return bytes(body)


async def _disconnected(request: Request) -> None:
    """Return when the client hangs up; the body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answer(vectors: Vectors, asked: EmbeddingRequest, tokens: int, name: str) -> bytes:
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": base64.b64encode(vector.tobytes()).decode() if asked.base64 else vector.tolist(),
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json.dumps({"object": "list", "data": data, "model": name, "usage": usage}, separators=(",", ":")).encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; 0 after a clean stop, 2 with one line when it cannot start."""
    parser = argparse.ArgumentParser(description="Serves embedding models over the OpenAI embeddings API.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default=DEFAULT_MODEL, help="sentence-transformers folder or name")
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument(
        "--threads", type=int, default=None, help="how many batches at a time, a core each; all cores when missing"
    )
    parser.add_argument(
        "--any", action="store_true", help="others too, by name, when they are asked for; and start without the first"
    )
    parser.add_argument("--reranker", default="", help="a cross-encoder's folder or name; none when missing")
    options = parser.parse_args(arguments)
    key = os.environ.get(KEY_VARIABLE, "")
    if not key:
        return _say(f"{KEY_VARIABLE} must hold the key that clients send.")

    def load(name: str) -> ModelQueue:
        def loaded() -> SentenceTransformerModel:
            model = SentenceTransformerModel(name, dtype=options.dtype)
            settle()
            return model

        return ModelQueue(loaded, workers=options.threads)

    try:
        folder = find_model(options.model)
        if options.reranker and not options.any:
            find_model(options.reranker)
    except EmbedderUnavailable as error:
        if not options.any:
            return _say(error.message)
        _say(error.message)
        folder = ModelFolder(name=options.model, path=Path(options.model), dimensions=0)

    import uvicorn

    first = ServedModel(name=folder.name, called=options.model, dimensions=folder.dimensions, queue=load(options.model))
    shelf = ModelShelf(first, find=find_model, load=load) if options.any else ModelShelf(first)
    pairs = PairQueue(lambda: CrossEncoderModel(options.reranker)) if options.reranker else None
    server = EmbeddingServer(shelf, key=key, pairs=pairs)
    config = uvicorn.Config(
        server.app(),
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
        timeout_keep_alive=75,
    )
    # uvicorn stops gracefully, then raises the signal again for these handlers: the stop was asked for, so 0.
    signal.signal(signal.SIGTERM, _exit)
    signal.signal(signal.SIGINT, _exit)
    uvicorn.Server(config).run()
    return 0


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _say(line: str) -> int:
    sys.stderr.write(f"embedding server: {line}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
