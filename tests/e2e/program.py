"""The program as its users run it: real processes, found by what they print and what they answer."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx
import psutil
from attrs import define

from entrypoints import cli

ROOT: Final = Path(__file__).resolve().parents[2]
PASSWORD: Final = "correct horse battery"
START: Final = 90.0  # seconds; an idle machine needs three


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """Ours without its settings, on that data directory; the checkout's modules are found from anywhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("READINGROOM_", "ANTHROPIC_", "PYTEST"))}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "READINGROOM_DATA_DIR": str(data_dir),
        "READINGROOM_LOG_FORMAT": "json",
        **more,
    }


def command(
    *arguments: str, data_dir: Path, timeout: float = START, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of the program to its end, in a directory without a `.env`."""
    return subprocess.run(
        [sys.executable, "-m", cli.__name__, *arguments],
        env=environment(data_dir, **(env or {})),
        cwd=data_dir.parent,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def until(condition: Callable[[], Any], *, timeout: float = 30.0, every: float = 0.05) -> Any:
    """The first true value of `condition`; AssertionError when none came in time."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(every)
    raise AssertionError(f"not within {timeout:g} seconds")


@define
class Server:
    """A running `serve`."""

    process: subprocess.Popen[str]
    url: str
    log: Path

    def family(self) -> list[psutil.Process]:
        """It and everything that it started."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 60.0) -> int:
        """Tell it to stop, and wait."""
        self.process.send_signal(number)
        return self.process.wait(timeout)


@contextmanager
def serving(data_dir: Path, *flags: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server on a free port while the context lasts; it and its children are gone afterwards, however it ends."""
    log = data_dir.parent / f"serve-{time.monotonic_ns()}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", cli.__name__, "serve", "--port", "0", *flags],
            env=environment(data_dir, **(env or {})),
            cwd=data_dir.parent,
            stdout=output,
            stderr=output,
            text=True,
        )
    family: list[psutil.Process] = []
    try:

        def announced() -> str | None:
            if process.poll() is not None:
                raise AssertionError(f"serve ended with {process.returncode}: {log.read_text()[-2000:]}")
            found = re.search(r"listens on (http://\S+)", log.read_text())
            return found[1] if found else None

        server = Server(process=process, url=until(announced, timeout=START), log=log)
        family = server.family()
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        for member in family:
            if member.is_running():
                member.kill()


@define
class Client:
    """Somebody who uses the HTTP interface and knows only its contract."""

    http: httpx.Client
    workspace: str
    token: str

    @classmethod
    def registered(cls, url: str, email: str = "ann@example.org") -> "Client":
        """A new account, logged in."""
        http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        body = {"email": email, "password": PASSWORD, "name": "Ann"}
        made = http.post("/v1/auth/register", json=body)
        made.raise_for_status()
        return cls._logged_in(http, email)

    @classmethod
    def logged_in(cls, url: str, email: str = "ann@example.org") -> "Client":
        """An account that exists."""
        return cls._logged_in(httpx.Client(base_url=url, timeout=60, trust_env=False), email)

    @classmethod
    def _logged_in(cls, http: httpx.Client, email: str) -> "Client":
        pair = http.post("/v1/auth/login", json={"email": email, "password": PASSWORD}).raise_for_status().json()
        http.headers["Authorization"] = f"Bearer {pair['access_token']}"
        workspace = http.get("/v1/me").raise_for_status().json()["workspaces"][0]["id"]
        return cls(http=http, workspace=f"/v1/workspaces/{workspace}", token=pair["access_token"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """The document as the server answered."""
        answer = self.http.post(f"{self.workspace}/documents", files={"file": (name, content)}).raise_for_status()
        return dict(answer.json())

    def documents(self) -> list[dict[str, Any]]:
        """All of them."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            params = {"limit": "200"} | ({"cursor": cursor} if cursor else {})
            page = self.http.get(f"{self.workspace}/documents", params=params).raise_for_status().json()
            found += page["items"]
            cursor = page["next_cursor"]
        return found

    def settled(self, timeout: float = 90.0) -> list[dict[str, Any]]:
        """All documents once each is ready or failed."""

        def over() -> list[dict[str, Any]] | None:
            documents = self.documents()
            return documents if all(d["status"] in {"ready", "failed"} for d in documents) else None

        return list(until(over, timeout=timeout, every=0.2))

    def search(self, query: str, **more: Any) -> list[dict[str, Any]]:
        """The results."""
        answer = self.http.post(f"{self.workspace}/search", json={"query": query, **more}).raise_for_status()
        return list(answer.json()["results"])

    def ask(self, question: str) -> list[tuple[int, str, dict[str, Any]]]:
        """The events of an answer: id, name, data."""
        conversation = self.http.post(f"{self.workspace}/conversations", json={}).raise_for_status().json()["id"]
        events: list[tuple[int, str, dict[str, Any]]] = []
        with self.http.stream(
            "POST",
            f"{self.workspace}/conversations/{conversation}/messages",
            json={"content": question},
            headers={"Accept": "text/event-stream"},
        ) as answer:
            answer.raise_for_status()
            number, name = 0, ""
            for line in answer.iter_lines():
                if line.startswith("id:"):
                    number = int(line[3:])
                elif line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    events.append((number, name, json.loads(line[5:])))
        return events


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def short_directory() -> Iterator[Path]:
    """A new directory with a path short enough for unix sockets below it."""
    with tempfile.TemporaryDirectory(prefix="rr-") as path:
        yield Path(path)
