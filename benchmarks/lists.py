"""What the first page of a workspace's documents and the list of its collections cost, among many documents.

    python -m benchmarks.lists [--documents 10000] [--collections 20] [--seconds 5]

`readingroom serve` as it is installed, with its limit of rate for reading raised, holds rows of documents that nobody
read from files. Prints JSON: milliseconds of a request alone, and requests a second with the processor time that each
took the serving process when eight connections ask; once while nothing changes, and once while somebody changes a
document ten times a second. Second pages are never remembered: they tell what a list costs that comes from PostgreSQL.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.made_up import row
from benchmarks.requests import EMAIL, PASSWORD, Connection, Server, call, p99, raw, repeat, serving_ours
from entrypoints.host import Host, open_host
from entrypoints.settings import load_settings

CHANGES = 0.1  # seconds between two
PORTION = 500  # documents added in one transaction


async def fill(host: Host, workspace: str, *, count: int, collections: int) -> None:
    """Documents without passages, spread over the collections."""
    use_cases = host.use_cases
    local = await use_cases.act_locally(workspace=workspace)
    actor = local.actor
    made = [await use_cases.create_collection(actor, name=f"Shelf {number}") for number in range(collections)]
    begin = host.container.ports().begin
    rows = [row(actor, made[n % collections].collection.id, name=f"made-up-{n}.txt", count=1) for n in range(count)]
    for start in range(0, len(rows), PORTION):
        async with begin(actor.workspace_id) as work:
            for each in rows[start : start + PORTION]:
                await work.documents.add(each)
            await work.commit()


@asynccontextmanager
async def changing(port: int, path: str, token: str) -> AsyncIterator[None]:
    """Somebody gives a document another title again and again."""

    async def change() -> None:
        connection = await Connection.open(port)
        number = 0
        while True:
            number += 1
            await connection.request(raw("PATCH", path, token=token, body={"title": f"Title {number}"}))
            await asyncio.sleep(CHANGES)

    task = asyncio.create_task(change())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def timed(server: Server, request: bytes, seconds: float) -> dict[str, Any]:
    """Alone, then eight at a time."""
    alone = await repeat(server.port, request, seconds, connections=1)
    return {
        "p50_ms": round(statistics.median(alone) * 1000, 2),
        "p99_ms": p99(alone),
        **await server.rate(request, seconds),
    }


async def measure(folder: Path, *, count: int, collections: int, seconds: float) -> dict[str, Any]:
    """All numbers."""
    async with serving_ours(folder, 1) as server:
        port = server.port
        account = {"email": EMAIL, "password": PASSWORD, "name": "Ada"}
        workspace = (await call(port, "POST", "/v1/auth/register", body=account))[1]["workspace"]["id"]
        token = (await call(port, "POST", "/v1/auth/login", body=account))[1]["access_token"]
        base = f"/v1/workspaces/{workspace}"
        async with open_host(load_settings(data_dir=folder / "data"), role="benchmark") as host:
            await fill(host, workspace, count=count, collections=collections)
        listed = (await call(port, "GET", f"{base}/documents", token=token))[1]
        half = (await call(port, "GET", f"{base}/collections?limit={collections // 2}", token=token))[1]
        first = listed["items"][0]["id"]
        asked = {
            "documents": f"{base}/documents",
            "documents_second_page": f"{base}/documents?cursor={listed['next_cursor']}",
            "collections": f"{base}/collections",
            "collections_second_half": f"{base}/collections?cursor={half['next_cursor']}",
        }
        results: dict[str, Any] = {}
        for name, path in asked.items():
            results[name] = await timed(server, raw("GET", path, token=token), seconds)
        async with changing(port, f"{base}/documents/{first}", token):
            for name in ("documents", "collections"):
                changed = await timed(server, raw("GET", asked[name], token=token), seconds)
                results[f"{name}_while_one_changes"] = changed
    return results


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--collections", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rr-") as folder:
        found = measure(Path(folder), count=asked.documents, collections=asked.collections, seconds=asked.seconds)
        print(json.dumps(asyncio.run(found), indent=2))


if __name__ == "__main__":
    main()
