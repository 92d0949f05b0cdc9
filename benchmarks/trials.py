"""What a stranger may try against a running server, with its engines killed beneath it.

    python -m benchmarks.trials hygiene           nothing secret is in a log, while Valkey and PostgreSQL are killed
    python -m benchmarks.trials invitation        an invitation whose time is over
    python -m benchmarks.trials schema [SECONDS]  schemathesis over the published document, as an owner

Each is an installation of its own in a folder that is thrown away. Ends with 1 when something was not as it should be.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from tests.e2e.program import PASSWORD, Client, Server, serving, short_directory
from tests.e2e.test_ingest_faults import kill

TEXT: Final = "velvet-umbrella"  # of a document
QUESTION: Final = "zebrafish-question"
TYPED: Final = "typed-by-mistake long enough"  # a password that somebody chose
SHOWN_ONCE: Final = ("key", "token", "ticket", "access_token", "refresh_token")
ROUNDS: Final = 40
NOT_FUZZED: Final = ("logOut", "changePassword", "revokeSession", "deleteWorkspace")  # they end what the others need


@contextmanager
def installation() -> Iterator[tuple[Path, Server]]:
    """A server with limits out of the way."""
    with short_directory() as folder, serving(folder / "data", env={"READINGROOM_RATE_LIMITS": "off"}) as server:
        yield folder / "data", server


def hygiene() -> list[str]:
    """All that works and all that fails, again and again; every line of every log is looked through at the end."""
    with installation() as (data, server), Client.registered(server.url) as ann:
        secrets = [PASSWORD, TEXT, QUESTION, TYPED, ann.token, str(ann.http.headers["Authorization"])[7:]]
        statuses: dict[int, int] = {}
        for number in range(ROUNDS):
            if number % 10 == 4:  # noqa: PLR2004
                kill(server, "valkey" if number % 20 == 4 else "postgres")  # noqa: PLR2004
            for call in calls(ann, number):
                with suppress(httpx.TransportError):
                    answer = call()
                    statuses[answer.status_code] = statuses.get(answer.status_code, 0) + 1
                    secrets += told(answer)
        print("answers by status:", dict(sorted(statuses.items())), "· secrets to look for:", len(set(secrets)))
        server.stop()
        logs = [server.log, *(data / "logs").iterdir()]
        texts = {log.name: log.read_text(errors="replace") for log in logs}
        print(sum(text.count("\n") for text in texts.values()), "lines in", len(texts), "logs")
        return [f"{name} tells {one[:12]}…" for name, text in texts.items() for one in set(secrets) if one in text]


def calls(ann: Client, number: int) -> Iterator[Callable[[], httpx.Response]]:
    """One round of what people do and should not do."""
    http, there = ann.http, ann.workspace
    key = {"Idempotency-Key": f"secret-key-{number}"}
    account = {"email": f"b{number}@example.org", "password": TYPED, "name": "Bob"}
    yield lambda: http.post("/v1/auth/register", json=account, headers=key)
    yield lambda: http.post("/v1/auth/register", json=account, headers=key)
    yield lambda: http.post("/v1/auth/login", json={**account, "email": f"b{number}@example.org"})
    yield lambda: http.post("/v1/auth/login", json={**account, "password": f"{TYPED} wrong"})
    yield lambda: http.post("/v1/auth/refresh", json={"refresh_token": f"rrr_{TYPED}"})
    yield lambda: http.get("/v1/me", headers={"Authorization": f"Bearer rrk_{QUESTION}"})
    yield lambda: http.post(f"{there}/api-keys", json={"name": "K", "scopes": ["read"]}, headers=key)
    yield lambda: http.post(f"{there}/invitations", json={"email": f"b{number}@example.org", "role": "viewer"})
    yield lambda: http.post("/v1/auth/ws-ticket")
    yield lambda: http.post(f"{there}/documents", files={"file": (f"{number}.txt", f"The {TEXT}, {number}.".encode())})
    yield lambda: http.post(f"{there}/search", json={"query": f"{QUESTION} {TEXT}"})
    yield lambda: http.post(f"{there}/search", content=f'{{"query": "{QUESTION}')
    yield lambda: http.post(f"{there}/conversations", json={"title": QUESTION})
    yield lambda: http.get(f"{there}/documents", params={"q": TEXT, "cursor": QUESTION})
    yield lambda: http.post("/v1/auth/password", json={"current_password": TYPED, "new_password": f"{TYPED} more"})


def told(answer: httpx.Response) -> list[str]:
    """What an answer shows once and to one person."""
    with suppress(ValueError):
        body = answer.json()
        if isinstance(body, dict):
            return [str(body[name]) for name in SHOWN_ONCE if name in body]
    return []


def invitation() -> list[str]:
    """Its time is moved in the database, as no setting shortens seven days."""
    with installation() as (data, server), Client.registered(server.url) as ann:
        body = {"email": "bob@example.org", "role": "viewer"}
        token = ann.http.post(f"{ann.workspace}/invitations", json=body).raise_for_status().json()["token"]
        with Client.registered(server.url, "bob@example.org") as bob:
            asyncio.run(_expire(data))
            accepted = bob.http.post("/v1/invitations/accept", json={"token": token})
            account = {"email": "bob@example.org", "password": TYPED, "name": "Bob", "invitation_token": token}
            registered = bob.http.post("/v1/auth/register", json=account)
            seen = bob.http.get(ann.workspace)
        listed = ann.http.get(f"{ann.workspace}/invitations").json()["items"]
        found = [(answer.status_code, answer.json()["code"]) for answer in (accepted, registered, seen)]
        print("accept, register, look:", found, "· still listed:", len(listed))
        expected = [(404, "invalid_invitation"), (404, "invalid_invitation"), (404, "not_found")]
        return [] if found == expected else [f"expected {expected}"]


async def _expire(data: Path) -> None:
    connection = await asyncpg.connect(json.loads((data / "engines.json").read_text())["database_url"])
    await connection.execute("UPDATE invitations SET expires_at = now() - interval '1 second'")
    await connection.close()


def schema(seconds: str = "120") -> list[str]:
    """Every call that the document knows, with data that fits it and data that does not."""
    with installation() as (_, server), Client.registered(server.url) as ann:
        command: list[Any] = [Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/v1/openapi.json"]
        command += ["--header", f"Authorization: Bearer {ann.token}", "--max-time", seconds, "--continue-on-failure"]
        command += ["--no-color", "--suppress-health-check", "all", "--warnings", "off"]
        command += ["--generation-database", "none"]
        # what fits the document may still be refused: versions, names in use and ids of nothing are not in a schema
        command += ["--exclude-checks", "positive_data_acceptance"]
        for name in NOT_FUZZED:
            command += ["--exclude-operation-id", name]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        print(run.stdout, run.stderr[-1000:])
        return [] if run.returncode == 0 else ["schemathesis found something"]


def main() -> None:
    """The command."""
    trials: dict[str, Callable[..., list[str]]] = {"hygiene": hygiene, "invitation": invitation, "schema": schema}
    if len(sys.argv) < 2 or sys.argv[1] not in trials:  # noqa: PLR2004
        sys.exit(__doc__)
    complaints = trials[sys.argv[1]](*sys.argv[2:])
    print(*(complaints or ["as it should be"]), sep="\n")
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
