"""Holds embedded engines open: prints their addresses as one line of JSON, goes on until told to stop.

``python engine_host.py DATA_DIR own|attach ENGINE...``; a line on stdin ends it too.
"""

import asyncio
import json
import sys
from pathlib import Path

import structlog
from attrs import asdict

from adapters.embedded.addresses import Engine
from adapters.embedded.engines import EmbeddedEngines
from adapters.embedded.errors import EngineError
from adapters.embedded.starting import EngineOptions

_STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in_server.py")))


async def _hold(data_dir: Path, mode: str, need: frozenset[Engine]) -> None:
    options = EngineOptions(embedding_model="none", qdrant_command=_STAND_IN, embedding_command=_STAND_IN)
    async with EmbeddedEngines.open(
        data_dir, need=need, role=f"test {mode}", attach=mode == "attach", options=options
    ) as engines:
        sys.stdout.write(json.dumps({"attached": engines.attached, **asdict(engines.addresses)}) + "\n")
        sys.stdout.flush()
        told = asyncio.Event()
        asyncio.get_running_loop().add_reader(sys.stdin, told.set)
        await told.wait()


def main() -> None:
    data_dir, mode, *names = sys.argv[1:]
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    try:
        asyncio.run(_hold(Path(data_dir), mode, frozenset(map(Engine, names))))
    except EngineError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
