"""Embeddings from a server that speaks the OpenAI embeddings API: ours, Text Embeddings Inference, vLLM, Infinity."""

import asyncio
import base64
import binascii
import json
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import httpx
import numpy as np
from attrs import frozen

from adapters.embedding.model import Kind
from adapters.plain_http import PlainTransport
from application.errors import EmbedderUnavailable
from application.ports.embedding import Embedder, Vector

REQUEST_TEXTS: Final = 32  # OpenAI-compatible servers commonly refuse more
_IN_FLIGHT: Final = 2  # requests of one call, so that the server never waits for us
_RETRY_SECONDS: Final = 0.25
_UNREADABLE: Final = "The embedding server's answer cannot be read."


@frozen(kw_only=True)
class TimeLimits:
    """In seconds."""

    query: float = 15.0  # one request
    passages: float = 180.0  # one request; it may wait behind those of others
    connect: float = 3.0  # also how long a server that does not listen is tried again
    loading: float = 60.0  # how long a server that says it is loading (503) or full (429) is asked again


class HttpEmbedder(Embedder):
    """Calls ``POST {url}/embeddings``; `url` ends in ``/v1`` (added when it has no path). Close with `aclose()`.

    `model` is the name sent; `name` what vectors are told apart by, `model` when missing. Without `dimensions`
    they are learnt from the first answer: call `discover()` before the property is used.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str,
        api_key: str | None = None,
        name: str | None = None,
        dimensions: int | None = None,
        limits: TimeLimits = TimeLimits(),
    ) -> None:
        parsed = httpx.URL(url)
        base = parsed.copy_with(path="/v1/") if parsed.path in {"", "/"} else parsed
        self._url = base.copy_with(path=f"{base.path.removesuffix('/')}/embeddings")
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        elif parsed.userinfo:
            self._headers["Authorization"] = f"Basic {base64.b64encode(unquote_to_bytes(parsed.userinfo)).decode()}"
        self._http = PlainTransport(keepalive=60, max_connections=32)
        self._model = model
        self._name = name or model
        self._dimensions = dimensions
        self._limits = limits

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def dimensions(self) -> int:
        """Length of every vector; raises `EmbedderUnavailable` when neither given nor discovered yet."""
        if self._dimensions is None:
            raise EmbedderUnavailable("The embedding model's dimensions are not known yet.")
        return self._dimensions

    async def discover(self) -> int:
        """Ask the server for the dimensions unless they are known."""
        if self._dimensions is None:
            await self.embed_query("dimensions")
        return self.dimensions

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """One vector a text, by requests of at most `REQUEST_TEXTS`; when one fails the others are given up."""
        vectors: list[Vector] = []
        tasks: deque[asyncio.Task[list[Vector]]] = deque()
        try:
            for start in range(0, len(texts), REQUEST_TEXTS):
                tasks.append(asyncio.create_task(self._embed(texts[start : start + REQUEST_TEXTS], "passage")))
                if len(tasks) == _IN_FLIGHT:
                    vectors.extend(await tasks[0])
                    tasks.popleft()
            while tasks:
                vectors.extend(await tasks[0])
                tasks.popleft()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return vectors

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question."""
        return (await self._embed([text], "query"))[0]

    async def ping(self) -> None:
        """Embed a word, without patience for a server that is still loading."""
        await self._attempt(["ping"], "query", self._limits.connect)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _embed(self, texts: Sequence[str], kind: Kind) -> list[Vector]:
        """Ask again while the server says that it will be able to, or for a moment when nobody listens."""
        limit = self._limits.query if kind == "query" else self._limits.passages
        start = time.monotonic()
        while True:
            try:
                return await self._attempt(texts, kind, limit)
            except EmbedderUnavailable as error:
                if time.monotonic() - start + _RETRY_SECONDS > self._patience(error):
                    raise
            await asyncio.sleep(_RETRY_SECONDS)

    def _patience(self, error: EmbedderUnavailable) -> float:
        """Seconds after the first request in which asking again makes sense."""
        if error.retry_after is not None:
            return self._limits.loading
        lost = isinstance(error.__cause__, httpx.TransportError) and not isinstance(error.__cause__, httpx.ReadTimeout)
        return self._limits.connect if lost else 0.0

    async def _attempt(self, texts: Sequence[str], kind: Kind, seconds: float) -> list[Vector]:
        body = {"input": list(texts), "model": self._model, "encoding_format": "base64"}
        request = httpx.Request(
            "POST",
            self._url,
            content=json.dumps(body, separators=(",", ":")).encode(),
            headers=self._headers | {"X-Priority": kind},
            extensions={"timeout": httpx.Timeout(seconds, connect=self._limits.connect).as_dict()},
        )
        with http_errors():
            response = await self._http.fetch(request)
        _check(response)
        answer = _told(response)
        self._check_model(answer)
        vectors = _vectors(answer)
        if len(vectors) != len(texts):
            raise EmbedderUnavailable(f"The embedding server gave {len(vectors)} vectors for {len(texts)} texts.")
        dimensions = self._dimensions = self._dimensions or len(vectors[0])
        if any(len(vector) != dimensions for vector in vectors):
            raise EmbedderUnavailable(f"The embedding server's vectors do not have {dimensions} dimensions.")
        return vectors

    def _check_model(self, answer: dict[str, Any]) -> None:
        """A name with a fingerprint is of our own server, where the folder may hold another model by now."""
        if "@" in self._name and answer.get("model") != self._name:
            raise EmbedderUnavailable(f"The folder {self._model} no longer holds the model {self._name}.")


@contextmanager
def http_errors() -> Iterator[None]:
    """What httpx raises becomes `EmbedderUnavailable`."""
    try:
        yield
    except httpx.HTTPError as error:
        raise EmbedderUnavailable(f"The embedding server cannot be reached: {type(error).__name__}.") from error


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    retry_after: float | None = None
    if response.status_code in {httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE}:
        try:
            retry_after = float(response.headers.get("retry-after", ""))
        except ValueError:
            retry_after = None if response.headers.get("retry-after") is None else 1.0
    try:
        reason = str(response.json()["error"]["message"])[:300]
    except (ValueError, KeyError, TypeError):
        reason = response.reason_phrase
    raise EmbedderUnavailable(
        f"The embedding server answered {response.status_code}: {reason}", retry_after=retry_after
    )


def _told(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise EmbedderUnavailable(_UNREADABLE)
    return answer


def _vectors(answer: dict[str, Any]) -> list[Vector]:
    """Rows in the order of `index`, made unit length: not every server normalises."""
    try:
        data = sorted(answer["data"], key=lambda item: int(item["index"]))
        rows = np.stack([_row(item["embedding"]) for item in data]) if data else np.empty((0, 0), np.float32)
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise EmbedderUnavailable(_UNREADABLE) from error
    if not np.isfinite(rows).all():
        raise EmbedderUnavailable("The embedding server gave vectors that are no numbers.")
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: list[Vector] = (rows / np.where(norms > 0, norms, 1)).tolist()
    return unit


def _row(embedding: Any) -> Any:
    if isinstance(embedding, str):  # little-endian float32, as OpenAI encodes it
        return np.frombuffer(base64.b64decode(embedding), "<f4")
    return np.asarray(embedding, np.float32)  # a server that knows no base64
