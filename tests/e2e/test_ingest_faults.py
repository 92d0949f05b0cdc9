"""Everything that takes part in an ingest is killed while it runs, and nothing is lost, stuck or doubled.

`READINGROOM_FAULT_ROUNDS` asks for more rounds, `READINGROOM_FAULT_SEED` repeats one, `READINGROOM_FAULT_FILES` sets
how many files a round ingests.
"""

import json
import os
import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest

from tests.e2e.program import Client, Server, command, serving, short_directory, until
from tests.samples.documents import pdf

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(600)]

ROUNDS: Final = int(os.environ.get("READINGROOM_FAULT_ROUNDS", "1"))
FILES: Final = int(os.environ.get("READINGROOM_FAULT_FILES", "24"))
SEED: Final = int(os.environ.get("READINGROOM_FAULT_SEED", "0"))

JUDGED: Final = {"stores", "originals", "jobs", "engines"}
# Word of the command line → who that is. The parser's child is told by its module.
VICTIMS: Final = {
    "worker": "worker_process",
    "parser": "parsing.child",
    "embedding": "embedding.server",
    "qdrant": "qdrant_server",
    "valkey": "valkey",
    "postgres": "postgres",
    "api": "api_process",
}


def a_file(number: int, seed: int) -> tuple[str, bytes]:
    """Small ones of several formats, some of them broken."""
    text = f"Report {seed}-{number}. The heron number {number} stands in the reeds of pond {seed}."
    match number % 6:
        case 0:
            return f"{number}.txt", text.encode()
        case 1:
            return f"{number}.md", f"# Pond {number}\n\n{text}\n\n".encode() + (text + "\n\n").encode() * 30
        case 2:
            return f"{number}.html", f"<html><body><h1>Pond</h1><p>{text}</p></body></html>".encode()
        case 3:
            return f"{number}.pdf", pdf([[(12, text)], [(12, f"Page two of {number}.")]])
        case 4:
            return f"{number}.pdf", b"%PDF-1.7\nbroken " + text.encode()
        case _:
            return f"{number}.csv", f"name,pond\nheron,{number}\ncrane,{seed}\n".encode()


def family_member(server: Server, word: str) -> psutil.Process | None:
    """One of the server's processes whose command line has the word."""
    for process in server.family()[1:]:
        with suppress(psutil.Error):
            if any(word in argument for argument in process.cmdline()):
                return process
    return None


def kill(server: Server, victim: str) -> bool:
    """With SIGKILL; False when there is none at the moment."""
    process = family_member(server, VICTIMS[victim])
    if process is None:
        return False
    with suppress(psutil.NoSuchProcess):
        process.kill()
    return True


def persistently(call: Callable[[], Any], *, timeout: float = 60.0) -> Any:
    """The answer, asked for again while the server or one of its engines is away."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            return call()
        except httpx.HTTPStatusError as error:
            if error.response.status_code < 500 or time.monotonic() > deadline:
                raise
        except httpx.TransportError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def settled(client: Client, *, timeout: float) -> list[dict[str, Any]]:
    """All documents, once each is ready or failed."""

    def over() -> list[dict[str, Any]] | None:
        documents: list[dict[str, Any]] = persistently(client.documents)
        return documents if all(each["status"] in {"ready", "failed"} for each in documents) else None

    return list(until(over, timeout=timeout, every=0.5))


def complaints(data_dir: Path, *flags: str) -> list[str]:
    """What the doctor has to say against stores and jobs."""
    told = json.loads(command("doctor", "--json", *flags, data_dir=data_dir).stdout)["checks"]
    return [f"{check['name']}: {check['detail']}" for check in told if not check["good"] and check["name"] in JUDGED]


@pytest.mark.parametrize("seed", range(SEED, SEED + ROUNDS))
def test_killing_anybody_loses_nothing(seed: int) -> None:
    """Each document ends ready, or failed with a reason, and the stores agree to the last vector."""
    chance = random.Random(seed)  # noqa: S311 a repeatable one
    files = [a_file(number, seed) for number in range(FILES)]
    victims = [*VICTIMS]
    chance.shuffle(victims)
    with short_directory() as root:
        data_dir = root / "data"
        with serving(data_dir) as server, Client.registered(server.url) as client:
            for number, (name, content) in enumerate(files[: FILES // 2]):
                persistently(lambda name=name, content=content: client.upload(name, content))  # type: ignore[misc]
                if victims and number % (FILES // 2 // len(VICTIMS) or 1) == 0:
                    kill(server, victims.pop())
                    time.sleep(chance.uniform(0, 0.3))
            for name, content in files[FILES // 2 :]:
                persistently(lambda name=name, content=content: client.upload(name, content))  # type: ignore[misc]
            gone = persistently(lambda: client.upload("gone.txt", b"Soon deleted."))
            persistently(lambda: client.http.delete(f"{client.workspace}/documents/{gone['id']}").raise_for_status())
            server.process.kill()
        with serving(data_dir) as server, Client.logged_in(server.url) as client:
            documents = settled(client, timeout=120)
            said = complaints(data_dir)
            found = persistently(lambda: client.search(f"heron number {FILES - 2}", limit=50))

    assert said == []
    by_name = {document["filename"]: document for document in documents}
    assert len(documents) == FILES
    assert {name for name, _ in files} == set(by_name)
    for number, (name, _) in enumerate(files):
        expected = "failed" if number % 6 == 4 else "ready"
        assert (name, expected) == (name, by_name[name]["status"]), by_name[name]["error"]
        assert (by_name[name]["error"] is not None) == (expected == "failed")
    chunk_ids = [result["chunk_id"] for result in found]
    assert len(chunk_ids) == len(set(chunk_ids))
    assert "gone.txt" not in {result["document"]["filename"] for result in found}
