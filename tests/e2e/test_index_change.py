"""Another embedding model in a running installation: searches go on through the whole change, whoever dies."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import define, field

from tests.e2e.program import Client, Server, command, serving, short_directory, until
from tests.e2e.test_ingest_faults import kill
from tests.samples.models import tiny_model

pytestmark = [pytest.mark.e2e, pytest.mark.faults, pytest.mark.timeout(300)]

FILES = 24


@define
class Searcher:
    """Asks the same again and again; remembers every answer."""

    client: Client
    answers: list[tuple[int, frozenset[str]]] = field(factory=list)
    _over: threading.Event = field(factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _ask(self) -> None:
        while not self._over.is_set():
            body = {"query": "heron pond", "limit": 100, "mode": "semantic"}
            answer = self.client.http.post(f"{self.client.workspace}/search", json=body)
            found = answer.json()["results"] if answer.is_success else []
            self.answers.append((answer.status_code, frozenset(each["document"]["filename"] for each in found)))


def index_of(server: Server) -> dict[str, Any]:
    shown: dict[str, Any] = httpx.get(f"{server.url}/readyz", trust_env=False, timeout=10).json()["index"]
    return shown


def doctor(data_dir: Path, **env: str) -> dict[str, dict[str, Any]]:
    """What it says, by name."""
    told = json.loads(command("doctor", "--json", data_dir=data_dir, env=env).stdout)["checks"]
    return {check["name"]: check for check in told}


def test_searches_never_stop_while_the_model_changes() -> None:
    """Every question is answered with every document, before, during and after; then a wrong model changes nothing."""
    with short_directory() as root:
        data_dir = root / "data"
        model = tiny_model(root / "tiny")
        names = {f"{number}.txt" for number in range(FILES)}
        with serving(data_dir) as server, Client.registered(server.url) as client:
            for number in range(FILES):
                client.upload(f"{number}.txt", f"Heron number {number} stands in its own pond.\n".encode())
            client.settled()

        # it searches as fast as it can, which the limits of rate are there to prevent
        chosen = {"READINGROOM_EMBEDDING_MODEL": str(model), "READINGROOM_RATE_LIMITS": "off"}
        with serving(data_dir, env=chosen) as server, Client.logged_in(server.url) as client:
            until(lambda: client.search("heron pond", mode="semantic"), timeout=60)
            searcher = Searcher(client)
            with searcher.asking():
                until(lambda: index_of(server)["change"] or index_of(server)["generation"] == 2, timeout=60)
                assert kill(server, "worker")
                with Client.logged_in(server.url) as editor:
                    editor.upload("late.txt", b"A heron that came late to the pond.")
                    [gone] = [each for each in editor.documents() if each["filename"] == "0.txt"]
                    editor.http.delete(f"{editor.workspace}/documents/{gone['id']}").raise_for_status()
                until(lambda: index_of(server)["generation"] == 2, timeout=120, every=0.2)
                client_documents = client.settled()
            assert index_of(server)["model"].startswith("tiny@")
            expected = (names - {"0.txt"}) | {"late.txt"}
            found = until(
                lambda: (
                    {each["document"]["filename"] for each in client.search("heron pond", limit=100, mode="semantic")}
                    == expected
                ),
                timeout=10,
            )
        assert found
        assert {"ready"} == {each["status"] for each in client_documents}
        assert [] == [answer for answer in searcher.answers if answer[0] != 200]
        assert [] == [answer for answer in searcher.answers if not names - {"0.txt"} <= answer[1]]

        missing = {"READINGROOM_EMBEDDING_MODEL": str(root / "nowhere")}
        with serving(data_dir, env=missing) as server, Client.logged_in(server.url) as client:
            until(lambda: client.search("heron pond", mode="semantic"), timeout=60)
            told = doctor(data_dir, **missing)
        assert told["stores"]["good"], told["stores"]
        assert not told["index"]["good"]
        assert "nowhere" in told["index"]["detail"]
