"""Live rooms: fan-out, latency, publishing, memory, coming back; and with faults, what is promised.

    python -m benchmarks.rooms [fan-out latency publish memory reconnect] [--json FILE]
    python -m benchmarks.rooms writers [--publishes 10000]   twenty writers, with rollbacks and kills
    python -m benchmarks.rooms rolling [--restarts 3]        `serve --workers 2` restarted by SIGHUP under load
    python -m benchmarks.rooms half-open                     silent peers and ghosts, at the product's own times
    python -m benchmarks.rooms soak [--minutes 15]           a fault every twenty seconds

Starts PostgreSQL and Valkey of its own and API processes on one core; the clients are on the other. Without names those
of the first line run. `--socketio` names a Python that has python-socketio and uvicorn, to compare with.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.rooms import measures
from benchmarks.rooms.engines import Engines, with_engines
from benchmarks.rooms.half_open import half_open
from benchmarks.rooms.rolling import rolling
from benchmarks.rooms.soak import soak
from benchmarks.rooms.town import flat
from benchmarks.rooms.writers import twenty_writers

SHORT = ("fan-out", "latency", "publish", "memory", "reconnect")
LONG = ("writers", "rolling", "half-open", "soak")


async def measure(engines: Engines, folder: Path, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One of them."""
    seconds = options.seconds
    kinds: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
        "fan-out": lambda: measures.fan_out(engines, folder, seconds=seconds, socketio=options.socketio),
        "latency": lambda: measures.latency(engines, folder, seconds=seconds * 2),
        "publish": lambda: measures.publishing(engines, folder, seconds=seconds),
        "memory": lambda: measures.memory(engines, folder),
        "reconnect": lambda: measures.reconnecting(engines, folder),
        "writers": lambda: twenty_writers(engines, folder, publishes=options.publishes),
        "rolling": lambda: rolling(restarts=options.restarts),
        "half-open": lambda: half_open(engines, folder),
        "soak": lambda: soak(engines, folder, minutes=options.minutes),
    }
    return await kinds[name]()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=SHORT, metavar="NAME", help="what to measure")
    parser.add_argument("--seconds", type=float, default=6, help="of each series")
    parser.add_argument("--minutes", type=float, default=15, help="of the soak")
    parser.add_argument("--publishes", type=int, default=10_000, help="of the twenty writers")
    parser.add_argument("--restarts", type=int, default=3, help="of all processes")
    parser.add_argument("--socketio", default=sys.executable, help="a Python that has python-socketio")
    parser.add_argument("--json", type=Path, help="keep the numbers here too")
    options = parser.parse_args()
    unknown = set(options.names) - {*SHORT, *LONG}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    results: dict[str, Any] = {}
    for name in options.names:
        with tempfile.TemporaryDirectory(prefix="rr-") as folder:
            place = Path(folder)
            results[name] = asyncio.run(
                with_engines(lambda engines, place=place, name=name: measure(engines, place, name, options))
            )
        for key, value in flat({name: results[name]}):
            print(f"{key:45} {value}", flush=True)
        if options.json:
            options.json.parent.mkdir(exist_ok=True)
            options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
