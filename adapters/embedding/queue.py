"""One model, many callers: queries first, passages in batches short enough not to be noticed.

Each worker is one thread that computes alone. Sharing one batch among all cores is a little faster on an idle
machine, but its threads meet at a barrier after every operation, and when a neighbour takes one core for a
moment all wait: beside one busy process that was twenty times slower, where this loses its fair share only.
"""

import asyncio
import os
import threading
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Final, Protocol

import numpy as np
import structlog
from attrs import define, field

from adapters.embedding.model import Kind, Tokens, Vectors
from application.errors import ApplicationError, EmbedderUnavailable

log = structlog.get_logger(__name__)

BATCH_SECONDS: Final = 0.04  # what a query may have to wait for
MAX_WAITING: Final = {"query": 256, "passage": 8192}  # texts
_WINDOW: Final = 64  # tokenised texts among which batches of like length are formed
_TOKENISED_AT_ONCE: Final = 16
_QUERIES_AT_ONCE: Final = 8
_FIRST_RATE: Final = 3000.0  # tokens a second and worker, until it is measured
_MIN_BATCH_TOKENS: Final = 128


class TextModel(Protocol):
    """What the queue needs of a model; `tokenise` is called from one thread at a time, `encode` from several."""

    name: str
    dimensions: int
    dtype: str

    def tokenise(self, texts: Sequence[str], kind: Kind = "passage") -> list[list[int]]:
        """The ids of each text."""
        ...

    def encode(self, tokens: Sequence[Tokens]) -> Vectors:
        """A row for each."""
        ...


class QueueFull(EmbedderUnavailable):
    """More texts wait than the queue takes; `retry_after` says when to ask again."""


@define(eq=False)
class _Work:
    """One caller's texts."""

    texts: Sequence[str]
    kind: Kind
    vectors: Vectors
    done: Future[tuple[Vectors, int]] = field(factory=Future)
    next_text: int = 0  # the first that is not tokenised yet
    missing: int = field(init=False)
    tokens: int = 0

    def __attrs_post_init__(self) -> None:
        self.missing = len(self.texts)


@define(order=True)
class _Item:
    """One tokenised passage; sorts by length."""

    length: int
    arrival: int
    work: _Work = field(order=False)
    row: int = field(order=False)
    ids: Tokens = field(order=False)


class ModelQueue:
    """Runs a model in `workers` threads, the first of which loads it.

    Batches of passages, of several callers together, hold about as many tokens as the model reads in
    `BATCH_SECONDS`; between two batches all waiting queries are answered. Passages of a cancelled caller are
    dropped. The oldest passage is always in the next batch, so none waits for ever.
    """

    def __init__(self, load: Callable[[], TextModel], *, workers: int | None = None) -> None:
        self._load = load
        self._workers = workers or len(os.sched_getaffinity(0))
        self._model: TextModel | None = None
        self._failure: ApplicationError | None = None
        self._loaded = threading.Event()
        self._wake = threading.Condition()  # guards what callers touch
        self._schedule = threading.Lock()  # guards the window and the tokeniser; held for milliseconds
        self._stopping = False
        self._queries: deque[_Work] = deque()
        self._passages: deque[_Work] = deque()
        self._waiting = {"query": 0, "passage": 0}
        self._window: list[_Item] = []
        self._arrivals = 0
        self._rate = _FIRST_RATE

    @property
    def model(self) -> TextModel | None:
        """The model, once it is loaded."""
        return self._model

    @property
    def failure(self) -> ApplicationError | None:
        """Why loading failed."""
        return self._failure

    def start(self) -> None:
        """Begin to load."""
        self._spawn(self._run)

    def stop(self) -> None:
        """End after the batch in work; whoever waits gets `EmbedderUnavailable`. Does not wait for the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    async def loaded(self) -> TextModel:
        """Wait until the model is there; raises what made loading fail."""
        await asyncio.to_thread(self._loaded.wait)
        if self._model is None:
            raise self._failure or EmbedderUnavailable("The embedding model was stopped.")
        return self._model

    async def embed(self, texts: Sequence[str], kind: Kind) -> tuple[Vectors, int]:
        """Vectors in order, and how many tokens were read. Cancelling drops what has not been read yet.

        Raises `QueueFull`, or `EmbedderUnavailable` while there is no model.
        """
        model = self._model
        if model is None:
            raise self._failure or EmbedderUnavailable("The embedding model is being loaded.", retry_after=1.0)
        if not texts:
            return np.empty((0, model.dimensions), np.float32), 0
        work = _Work(texts=texts, kind=kind, vectors=np.empty((len(texts), model.dimensions), np.float32))
        with self._wake:
            if self._stopping:
                raise EmbedderUnavailable("The embedding model was stopped.")
            if self._waiting[kind] and self._waiting[kind] + len(texts) > MAX_WAITING[kind]:
                raise QueueFull("Too many texts wait to be embedded.", retry_after=1.0 if kind == "query" else 5.0)
            self._waiting[kind] += len(texts)
            (self._queries if kind == "query" else self._passages).append(work)
            self._wake.notify()
        return await asyncio.wrap_future(work.done)

    def _run(self) -> None:
        try:
            self._model = self._load()
        except ApplicationError as error:
            self._failure = error
        except Exception as error:
            self._failure = EmbedderUnavailable(f"The embedding model cannot be loaded: {type(error).__name__}.")
            log.exception("model_not_loaded")
        finally:
            self._loaded.set()
        if self._model is None:
            self._drop_all()
            return
        for _ in range(self._workers - 1):
            self._spawn(self._work)
        self._work()

    def _spawn(self, target: Callable[[], None]) -> None:
        threading.Thread(target=target, name="embedding-model", daemon=True).start()

    def _work(self) -> None:
        model = self._model
        while model is not None and self._await_work():
            if queries := self._take_queries():
                self._answer(model, queries)
            else:
                with self._schedule:
                    self._fill_window(model)
                    batch = self._take_batch()
                if batch:
                    self._encode(model, batch)
        self._drop_all()

    def _await_work(self) -> bool:
        with self._wake:
            self._wake.wait_for(lambda: self._stopping or self._queries or self._passages or self._window)
            return not self._stopping

    def _take_queries(self) -> list[_Work]:
        with self._wake:
            works = [self._queries.popleft() for _ in range(min(len(self._queries), _QUERIES_AT_ONCE))]
            self._waiting["query"] -= sum(len(work.texts) for work in works)
            return works

    def _answer(self, model: TextModel, queries: list[_Work]) -> None:
        """Several callers' queries in one pass: eight short ones take hardly twice as long as one."""
        items: list[_Item] = []
        for work in queries:
            try:
                with self._schedule:
                    tokens = model.tokenise(work.texts, work.kind)
            except Exception as error:  # noqa: BLE001 one caller's failure is not the thread's
                _fail(work, error)
                continue
            items += [_Item(length=len(ids), arrival=0, work=work, row=row, ids=ids) for row, ids in enumerate(tokens)]
        items.sort()
        budget = self._budget()
        while items:
            size = 1
            while size < len(items) and items[size].length * (size + 1) <= budget:
                size += 1
            self._encode(model, items[:size])
            del items[:size]

    def _encode(self, model: TextModel, batch: list[_Item]) -> None:
        start = time.perf_counter()
        try:
            vectors = model.encode([item.ids for item in batch])
        except Exception as error:  # noqa: BLE001 as above
            for work in {id(item.work): item.work for item in batch}.values():
                _fail(work, error)
            return
        padded = max(item.length for item in batch) * len(batch)
        with self._schedule:
            if batch[0].work.kind == "passage":  # queries are too few at a time to tell how fast the model is
                self._rate += 0.2 * (padded / (time.perf_counter() - start) - self._rate)
            for item, vector in zip(batch, vectors, strict=True):
                work = item.work
                work.vectors[item.row] = vector
                work.tokens += item.length
                work.missing -= 1
                if not work.missing:
                    _finish(work, work.tokens)

    def _fill_window(self, model: TextModel) -> None:
        """Tokenise some texts, taking turns among the callers; then go on, for a query may have come."""
        self._window = [item for item in self._window if not item.work.done.done()]
        if len(self._window) > _WINDOW - _TOKENISED_AT_ONCE:
            return
        room = _TOKENISED_AT_ONCE
        while room > 0:
            with self._wake:
                if not self._passages:
                    return
                work = self._passages.popleft()
            room -= self._tokenise_some(model, work, room)

    def _tokenise_some(self, model: TextModel, work: _Work, room: int) -> int:
        """Up to `room` of the caller's texts into the window, and the caller to the end of the line; how many."""
        texts = work.texts[work.next_text : work.next_text + room]
        try:
            tokens = [] if work.done.done() else model.tokenise(texts, work.kind)
        except Exception as error:  # noqa: BLE001 as above
            tokens = []
            _fail(work, error)
        if not tokens:
            self._settle(work, len(work.texts) - work.next_text)
            return 0
        for row, ids in enumerate(tokens, start=work.next_text):
            self._arrivals += 1
            insort(self._window, _Item(length=len(ids), arrival=self._arrivals, work=work, row=row, ids=ids))
        work.next_text += len(texts)
        self._settle(work, len(texts))
        with self._wake:
            if work.next_text < len(work.texts):
                self._passages.append(work)
            self._wake.notify()  # another worker may take what is left
        return len(texts)

    def _take_batch(self) -> list[_Item]:
        """The oldest text and those nearest it in length, as many as the model reads in `BATCH_SECONDS`."""
        if not self._window:
            return []
        budget = self._budget()
        oldest = min(self._window, key=lambda item: item.arrival)
        low = bisect_left(self._window, oldest)
        high = low + 1
        while True:
            longer = self._window[high].length if high < len(self._window) else None
            if low > 0 and self._window[high - 1].length * (high - low + 1) <= budget:
                low -= 1
            elif longer is not None and longer * (high - low + 1) <= budget:
                high += 1
            else:
                break
        batch = self._window[low:high]
        del self._window[low:high]
        return batch

    def _budget(self) -> float:
        """Tokens that one pass may read."""
        return max(self._rate * BATCH_SECONDS, _MIN_BATCH_TOKENS)

    def _settle(self, work: _Work, count: int) -> None:
        with self._wake:
            self._waiting[work.kind] -= count

    def _drop_all(self) -> None:
        with self._wake:
            self._stopping = True
            works = [*self._queries, *self._passages, *(item.work for item in self._window)]
        for work in works:
            _fail(work, self._failure or EmbedderUnavailable("The embedding model was stopped."))


def _finish(work: _Work, tokens: int) -> None:
    with suppress(InvalidStateError):  # cancelled meanwhile
        work.done.set_result((work.vectors, tokens))


def _fail(work: _Work, error: Exception) -> None:
    log.warning("embedding_failed", reason=type(error).__name__)
    with suppress(InvalidStateError):  # cancelled meanwhile, or told already
        work.done.set_exception(error)
