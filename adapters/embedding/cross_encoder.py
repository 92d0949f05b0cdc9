"""A cross-encoder of sentence-transformers: question and passage read together, a score for each pair.

Importing this module imports no torch; loading a model does.
"""

import asyncio
import math
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

import structlog

from adapters.embedding.folder import find_model
from application.errors import RerankerUnavailable, Unavailable

log = structlog.get_logger(__name__)

_PAIRS: Final = 8  # read at once: a caller that left is noticed between two batches
_WAITING: Final = 8  # searches; a ninth is told to go on without
_RETRY_AFTER: Final = 1.0  # seconds
_CHARACTERS: Final = 20_000  # more of a passage never reaches the model, so it is cut before tokenising


class PairModel(Protocol):
    """What the queue needs of a model; called from one thread."""

    name: str

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """One a passage, in order; higher is better."""
        ...


class CrossEncoderModel:
    """Loads at once. Raises `Unavailable` with one line when there is no such model on this disk."""

    def __init__(self, name_or_path: str) -> None:
        folder = find_model(name_or_path)
        self.name = folder.name
        os.environ["HF_HUB_OFFLINE"] = "1"  # read at import: nothing may be downloaded
        os.environ["TRANSFORMERS_OFFLINE"] = "1"
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from sentence_transformers import CrossEncoder

        try:
            self._model = CrossEncoder(str(folder.path), local_files_only=True)
        except Exception as error:
            message = f"The reranker in {folder.path} cannot be loaded: {type(error).__name__}."
            raise RerankerUnavailable(message) from error
        if self._model.num_labels != 1:
            raise RerankerUnavailable(f"The reranker in {folder.path} gives {self._model.num_labels} scores, not one.")

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """Between 0 and 1 for models that say nothing else."""
        pairs = [(question[:_CHARACTERS], passage[:_CHARACTERS]) for passage in passages]
        found = self._model.predict(pairs, batch_size=_PAIRS, show_progress_bar=False)
        return [float(score) if math.isfinite(score) else 0.0 for score in found]


class PairQueue:
    """Runs a model in one thread of its own, which loads it first; searches take turns batch by batch."""

    def __init__(self, load: Callable[[], PairModel]) -> None:
        self._load = load
        self._thread = ThreadPoolExecutor(1, "reranker")
        self._model: PairModel | None = None
        self._failure: Unavailable | None = None
        self._waiting = 0

    def start(self) -> None:
        """Begin to load."""
        self._thread.submit(self._run)

    def stop(self) -> None:
        """End after the present batch."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """Raises `RerankerUnavailable` while loading, after that failed, and when too many wait."""
        if self._failure is not None:
            raise self._failure
        if self._model is None:
            raise RerankerUnavailable("The reranker is being loaded.", retry_after=_RETRY_AFTER)
        if self._waiting >= _WAITING:
            raise RerankerUnavailable("Too many searches wait for the reranker.", retry_after=_RETRY_AFTER)
        loop, done = asyncio.get_running_loop(), list[float]()
        self._waiting += 1
        try:
            for start in range(0, len(passages), _PAIRS):
                batch = passages[start : start + _PAIRS]
                done += await loop.run_in_executor(self._thread, self._model.scores, question, batch)
        finally:
            self._waiting -= 1
        return done

    def _run(self) -> None:
        try:
            self._model = self._load()
        except Unavailable as error:
            self._failure = error
            log.error("reranker_not_loaded", reason=error.message)  # noqa: TRY400 - the message says what to do
        else:
            log.info("reranker_loaded", model=self._model.name)
