"""Live rooms: fan-out, latency, publishing, memory, coming back, and a soak with faults.

    python -m benchmarks.rooms [fan-out latency publish memory reconnect soak] [--minutes 15] [--json FILE]

Starts PostgreSQL and Valkey of its own and API processes on one core; the clients are on the other. Without names all
but the soak run. `--socketio` names a Python that has python-socketio and uvicorn, to compare with.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.rooms import measures
from benchmarks.rooms.engines import Engines, with_engines
from benchmarks.rooms.soak import soak
from benchmarks.rooms.town import flat

SHORT = ("fan-out", "latency", "publish", "memory", "reconnect")


async def measure(engines: Engines, folder: Path, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """One of them."""
    match name:
        case "fan-out":
            return await measures.fan_out(engines, folder, seconds=options.seconds, socketio=options.socketio)
        case "latency":
            return await measures.latency(engines, folder, seconds=options.seconds * 2)
        case "publish":
            return await measures.publishing(engines, folder, seconds=options.seconds)
        case "memory":
            return await measures.memory(engines, folder)
        case "reconnect":
            return await measures.reconnecting(engines, folder)
        case _:
            return await soak(engines, folder, minutes=options.minutes)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=SHORT, metavar="NAME", help="what to measure")
    parser.add_argument("--seconds", type=float, default=6, help="of each series")
    parser.add_argument("--minutes", type=float, default=15, help="of the soak")
    parser.add_argument("--socketio", default=sys.executable, help="a Python that has python-socketio")
    parser.add_argument("--json", type=Path, help="keep the numbers here too")
    options = parser.parse_args()
    unknown = set(options.names) - {*SHORT, "soak"}
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
