"""Everything that takes part in an ingest is killed at random, round after round, and nothing may be lost or doubled.

    python -m benchmarks.faults --rounds 20 [--files 200] [--kills 4] [--seed 0]

Each round is a tenant of its own in one installation. While its files are uploaded and read, processes die by SIGKILL:
the server with all its children left behind, API, worker, parser child, embedding process, PostgreSQL, Valkey, Qdrant.
Then every file must be ready, or failed for the reason that it was made to fail for; `doctor` must find nothing; and
searches of every tenant so far, by random filters that name the others' documents, must show the tenant's own alone.
Ends with 1 when a round was not so, and prints its seed.
"""

import argparse
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.e2e.program import Client, Server, serving, short_directory
from tests.e2e.test_ingest_faults import VICTIMS, a_file, complaints, kill, persistently, settled

UPLOADS = 8  # at once
PROBES = 40  # searches by random filters, a round
PATIENCE = 180.0  # seconds until all is settled


@define
class Installation:
    """A server that is started again when it is killed."""

    data_dir: Path
    server: Server = field(init=False)
    _stack: ExitStack = field(factory=ExitStack)
    starts: int = 0

    def start(self) -> None:
        """Now it runs; the address may be another one."""
        self.server = self._stack.enter_context(serving(self.data_dir))
        self.starts += 1

    def kill(self, victim: str) -> bool:
        """With SIGKILL; whether there was one."""
        if victim != "server":
            return kill(self.server, victim)
        self.server.process.kill()
        self.server.process.wait()
        self._stack.close()
        self.start()
        return True

    def close(self) -> None:
        """Stop it."""
        self._stack.close()


@define
class Tenant:
    """Somebody with a workspace of their own; finds the server again wherever it listens."""

    installation: Installation
    email: str
    own: set[str] = field(factory=set)  # ids of documents
    _client: Client | None = None

    def client(self) -> Client:
        """Logged in at the server that runs now."""
        url = self.installation.server.url
        if self._client is None or str(self._client.http.base_url).rstrip("/") != url:
            self._client = Client.logged_in(url, self.email)
        return self._client

    def patiently(self, call: str, *arguments: Any, **more: Any) -> Any:
        """A method of the client, asked for again while somebody is dead."""
        return persistently(lambda: getattr(self.client(), call)(*arguments, **more), timeout=PATIENCE)


@contextmanager
def killing(installation: Installation, chance: random.Random, count: int, told: Counter[str]) -> Iterator[None]:
    """Kill `count` processes at random moments while the context lasts, and the rest of them at its end."""
    over = threading.Event()

    def run() -> None:
        for _ in range(count):
            over.wait(chance.uniform(0.0, 4.0))
            victim = chance.choice(["server", *VICTIMS])
            told[victim if installation.kill(victim) else f"no {victim}"] += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def one_round(installation: Installation, tenants: list[Tenant], seed: int, files: int, kills: int) -> list[str]:
    """What was not as it must be."""
    chance = random.Random(seed)  # noqa: S311 a repeatable one
    tenant = Tenant(installation, f"round{seed}@example.org")
    Client.registered(installation.server.url, tenant.email).http.close()
    tenants.append(tenant)
    given = [(f"{number}-{name}", content) for number in range(files) for name, content in [a_file(number, seed)]]
    told: Counter[str] = Counter()
    started = time.monotonic()
    with killing(installation, chance, kills, told), ThreadPoolExecutor(UPLOADS) as pool:
        list(pool.map(lambda each: tenant.patiently("upload", *each), given))
    documents = persistently(lambda: settled(tenant.client(), timeout=PATIENCE), timeout=PATIENCE)
    tenant.own = {document["id"] for document in documents}
    wrong = _judged(given, documents)
    wrong += complaints(installation.data_dir)
    wrong += leaks(tenants, chance)
    shown = ", ".join(f"{count} x {victim}" for victim, count in sorted(told.items()))
    states = Counter(document["status"] for document in documents)
    print(
        f"round {seed}: {dict(states)}, {time.monotonic() - started:.0f} s; killed {shown}; {wrong or 'good'}",
        flush=True,
    )
    return wrong


def _judged(given: Sequence[tuple[str, bytes]], documents: Sequence[dict[str, Any]]) -> list[str]:
    by_name = {document["filename"]: document for document in documents}
    wrong = [f"{name} is missing" for name, _ in given if name not in by_name]
    if len(documents) != len(given):
        wrong.append(f"{len(documents)} documents of {len(given)} files")
    for number, (name, _) in enumerate(given):
        document = by_name.get(name, {"status": None, "error": None})
        expected = "failed" if number % 6 == 4 else "ready"  # noqa: PLR2004 see `a_file`
        if document["status"] != expected or (document["error"] is None) == (expected == "failed"):
            wrong.append(f"{name} is {document['status']}: {document['error']}")
    return wrong


def leaks(tenants: Sequence[Tenant], chance: random.Random) -> list[str]:
    """Searches by every kind of filter, with the others' ids in them."""
    everything = sorted(set().union(*(tenant.own for tenant in tenants)))
    found: list[str] = []
    for _ in range(PROBES):
        tenant = chance.choice(tenants)
        filters: dict[str, Any] = {}
        if chance.random() < 0.5:  # noqa: PLR2004 each filter in half of the searches
            filters["document_ids"] = chance.sample(everything, min(len(everything), 100))
        if chance.random() < 0.5:  # noqa: PLR2004
            filters["media_types"] = chance.sample(["text/plain", "text/html", "application/pdf", "text/csv"], 2)
        mode = chance.choice(["hybrid", "semantic", "keyword"])
        query = chance.choice(["heron reeds", "report", "pond", "crane"])
        results = tenant.patiently("search", query, limit=100, mode=mode, filters=filters)
        if strangers := {each["document"]["id"] for each in results} - tenant.own:
            found.append(f"{tenant.email} saw {len(strangers)} documents of others by {filters}")
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    bad: list[int] = []
    tenants: list[Tenant] = []
    with short_directory() as root:
        installation = Installation(root / "data")
        installation.start()
        try:
            bad = [
                seed
                for seed in range(asked.seed, asked.seed + asked.rounds)
                if one_round(installation, tenants, seed, asked.files, asked.kills)
            ]
        finally:
            installation.close()
    print(f"{asked.rounds - len(bad)} of {asked.rounds} rounds good{f'; not so: {bad}' if bad else ''}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
