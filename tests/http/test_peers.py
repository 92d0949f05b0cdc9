"""Numbers of several processes behind one address."""

import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from entrypoints import peers as peers_module
from entrypoints.http.app import create_app
from entrypoints.peers import Peers
from entrypoints.telemetry import Metrics
from tests.http.conftest import StandInContainer


@pytest.fixture
def folder() -> Iterator[Path]:
    """With a short path, as sockets need it."""
    with TemporaryDirectory(prefix="rr-") as name:
        yield Path(name)


async def told(container: StandInContainer, peers: Peers) -> dict[tuple[str, str], float]:
    """By sample and process: the sum over all other labels, as that process of them tells it."""
    app = create_app(container, metrics=peers.metrics, peers=peers)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as http:
        answer = (await http.get("/metrics")).raise_for_status()
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            place = (sample.name, sample.labels["process"])
            found[place] = found.get(place, 0) + sample.value
    return found


async def test_every_process_tells_the_numbers_of_all(container: StandInContainer, folder: Path) -> None:
    """Each under its name; whichever is asked says the same of the others."""
    one, two = (Peers(folder, name, Metrics()) for name in ("api-1", "api-2"))
    for _ in range(3):
        one.metrics.answered("GET", "/v1/me", 200, 0.01)
    two.metrics.answered("GET", "/v1/me", 200, 0.01)
    two.metrics.answered("GET", "/v1/me", 404, 0.01)
    async with one.answering(), two.answering():
        of_one, of_two = await told(container, one), await told(container, two)

    requests, seconds = "readingroom_http_requests_total", "readingroom_http_request_seconds_count"
    assert [3, 2] == [of_one[requests, name] for name in ("api-1", "api-2")]
    assert [4, 2] == [of_two[requests, name] for name in ("api-1", "api-2")]  # the question to the first counts
    assert [3, 2] == [of_one[seconds, name] for name in ("api-1", "api-2")]
    assert of_one["process_resident_memory_bytes", "api-2"] > 0


async def test_a_process_that_died_or_hangs_is_left_out(
    container: StandInContainer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that comes back under its name takes its place."""
    monkeypatch.setattr(peers_module, "PATIENCE", 0.05)
    one, two = (Peers(folder, name, Metrics()) for name in ("api-1", "api-2"))
    with socket.socket(socket.AF_UNIX) as dead, socket.socket(socket.AF_UNIX) as deaf:
        dead.bind(str(folder / "api-2"))
        deaf.bind(str(folder / "api-3"))
        deaf.listen()
        without = await told(container, one)
    async with two.answering():
        again = await told(container, one)

    assert {"api-1"} == {process for _, process in without}
    assert {"api-1", "api-2"} == {process for _, process in again}
