"""How the queue before the model shares it among callers."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from adapters.embedding import server
from adapters.embedding.model import Kind, Tokens, Vectors
from adapters.embedding.queue import MAX_WAITING, ModelQueue, QueueFull
from application.errors import EmbedderUnavailable


class ScriptedModel:
    """Counts words, remembers its batches, and works only while the gate is open."""

    name, dimensions, dtype = "scripted", 1, "float32"

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.at_gate = threading.Event()

    def tokenise(self, texts: Sequence[str], kind: Kind = "passage") -> list[list[int]]:
        return [[int(word) for word in text.split()] for text in texts]

    def encode(self, tokens: Sequence[Tokens]) -> Vectors:
        self.at_gate.set()
        assert self.gate.wait(10)
        self.batches.append([ids[0] for ids in tokens])
        return np.array([[sum(ids)] for ids in tokens], np.float32)


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
async def queue(model: ScriptedModel) -> Iterator[ModelQueue]:
    queue = ModelQueue(lambda: model, workers=1)
    queue.start()
    await queue.loaded()
    yield queue
    model.gate.set()
    queue.stop()


async def hold(queue: ModelQueue, model: ScriptedModel) -> "asyncio.Task[tuple[Vectors, int]]":
    """Close the gate with one passage in work."""
    model.gate.clear()
    model.at_gate.clear()
    held = asyncio.create_task(queue.embed(["1000"], "passage"))
    assert await asyncio.to_thread(model.at_gate.wait, 10)
    return held


async def begun(*tasks: "asyncio.Task[tuple[Vectors, int]]") -> None:
    """Let tasks reach their first wait."""
    await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_waiting_queries_share_a_batch(queue: ModelQueue, model: ScriptedModel) -> None:
    """Those of several callers are read at once, the long apart from the short; each gets its own vector."""
    held = await hold(queue, model)
    asked = ["3 1", "5 " * 200, "4", "2 2 2"]
    queries = [asyncio.create_task(queue.embed([text], "query")) for text in asked]
    await begun(*queries)
    model.gate.set()
    _, *answers = await asyncio.gather(held, *queries)

    assert model.batches == [[1000], [4, 3, 2], [5]]
    assert [vectors[0, 0] for vectors, _ in answers] == [4, 1000, 4, 6]
    assert [tokens for _, tokens in answers] == [2, 200, 1, 3]


async def test_query_overtakes_passages(queue: ModelQueue, model: ScriptedModel) -> None:
    """What came last is answered first after the batch in work."""
    held = await hold(queue, model)
    passages = asyncio.create_task(queue.embed([f"{n} " * 100 for n in range(1, 30)], "passage"))
    await begun(passages)
    query = asyncio.create_task(queue.embed(["2000"], "query"))
    await begun(query)
    model.gate.set()
    await asyncio.gather(held, passages, query)

    assert model.batches[:2] == [[1000], [2000]]


async def test_batches_are_of_like_length_and_limited(queue: ModelQueue, model: ScriptedModel) -> None:
    """Short and long texts are not padded to each other, and a batch holds few tokens."""
    held = await hold(queue, model)
    lengths = [100, 2] * 8
    work = asyncio.create_task(queue.embed(["1 " * length for length in lengths], "passage"))
    await begun(work)
    model.gate.set()
    vectors, tokens = await work
    await held

    assert [float(length) for length in lengths] == vectors[:, 0].tolist()
    assert sum(lengths) == tokens
    assert [1] * 16 not in model.batches


async def test_callers_share_batches(queue: ModelQueue, model: ScriptedModel) -> None:
    """Small requests of several callers go to the model together."""
    held = await hold(queue, model)
    works = [asyncio.create_task(queue.embed([f"{n} {n}"], "passage")) for n in range(1, 9)]
    await begun(*works)
    model.gate.set()
    answers = await asyncio.gather(*works)
    await held

    assert [2.0 * n for n in range(1, 9)] == [float(vectors[0, 0]) for vectors, _ in answers]
    assert len(model.batches) < 9


async def test_cancelled_work_is_dropped(queue: ModelQueue, model: ScriptedModel) -> None:
    """Nobody computes for a caller who went away, and the others get theirs."""
    held = await hold(queue, model)
    gone = asyncio.create_task(queue.embed(["7"] * 100, "passage"))
    kept = asyncio.create_task(queue.embed(["8"] * 3, "passage"))
    await begun(gone, kept)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    model.gate.set()
    vectors, _ = await kept
    await held

    assert vectors[:, 0].tolist() == [8.0] * 3
    assert not any(7 in batch for batch in model.batches)


async def test_full_queue_refuses_and_recovers(queue: ModelQueue, model: ScriptedModel) -> None:
    """Over the limit a caller is told when to ask again; queries have a limit of their own."""
    held = await hold(queue, model)
    large = asyncio.create_task(queue.embed(["1"] * MAX_WAITING["passage"], "passage"))
    await begun(large)
    with pytest.raises(QueueFull) as raised:
        await queue.embed(["1"], "passage")
    query = asyncio.create_task(queue.embed(["1"], "query"))
    await begun(query)
    model.gate.set()
    await asyncio.gather(held, large, query)

    assert raised.value.retry_after
    assert (await queue.embed(["1"], "passage"))[0].shape == (1, 1)


async def test_failing_text_fails_its_caller_alone(queue: ModelQueue) -> None:
    """The thread survives what one caller's texts do to the model."""
    with pytest.raises(ValueError, match="invalid literal"):
        await queue.embed(["no number"], "passage")
    with pytest.raises(ValueError, match="invalid literal"):
        await queue.embed(["no number"], "query")

    assert (await queue.embed(["5"], "passage"))[0].tolist() == [[5.0]]


async def test_stopping_tells_those_who_wait(queue: ModelQueue, model: ScriptedModel) -> None:
    """Nobody waits for ever on a queue that ends."""
    held = await hold(queue, model)
    waiting = asyncio.create_task(queue.embed(["1"] * 50, "passage"))
    await begun(waiting)
    queue.stop()
    model.gate.set()
    async with asyncio.timeout(10):
        with pytest.raises(EmbedderUnavailable):
            await waiting
        await held
    with pytest.raises(EmbedderUnavailable):
        await queue.embed(["1"], "query")


async def test_model_that_cannot_be_loaded_is_said() -> None:
    """The reason reaches whoever asks."""

    def broken() -> ScriptedModel:
        raise EmbedderUnavailable("The folder is gone.")

    queue = ModelQueue(broken)
    queue.start()
    for call in (queue.loaded(), queue.embed(["1"], "query")):
        with pytest.raises(EmbedderUnavailable, match="folder is gone"):
            await call


async def test_many_callers_of_several_workers_get_their_own() -> None:
    """Threads that work side by side lose and mix nothing."""
    queue = ModelQueue(ScriptedModel, workers=4)
    queue.start()
    await queue.loaded()
    texts = [[f"{caller} {n}" for n in range(20)] for caller in range(50)]
    answers = await asyncio.gather(
        *(queue.embed(one, "query" if n % 5 == 0 else "passage") for n, one in enumerate(texts))
    )
    queue.stop()

    for caller, (vectors, tokens) in enumerate(answers):
        assert [float(caller + n) for n in range(20)] == vectors[:, 0].tolist()
        assert tokens == 40


def test_server_module_imports_no_torch() -> None:
    """The server listens before the seconds that torch takes."""
    code = f"import sys, {server.__name__}; sys.exit(bool({{'torch', 'transformers'}} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
