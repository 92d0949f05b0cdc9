"""How long a start takes, and how much memory a process holds: the whole product in a temporary directory.

python -m benchmarks.startup [--starts N] [--json FILE]
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import psutil

from entrypoints import cli

PATIENCE = 120.0  # seconds


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 our own loopback address
            return bool(answer.status == 200)  # noqa: PLR2004 OK
    except (urllib.error.URLError, OSError):
        return False


def _until(what: str, condition: Any) -> Any:
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise SystemExit(f"{what}: not within {PATIENCE:g} seconds")


def _embedding_is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:  # noqa: S310 our own loopback address
            return bool(json.load(answer)["engines"]["embedding"]["state"] == "up")
    except (urllib.error.URLError, OSError):
        return False


def one_start(data_dir: Path) -> dict[str, float]:
    """Start, measure, stop. Seconds and MiB."""
    log = data_dir.parent / "serve.log"
    began = time.perf_counter()
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", cli.__name__, "serve", "--port", "0"],
            env={**os.environ, "READINGROOM_DATA_DIR": str(data_dir), "READINGROOM_LOG_FORMAT": "json"},
            stdout=output,
            stderr=output,
        )
    try:
        url = _until("the announcement", lambda: re.search(r"listens on (http://\S+)", log.read_text()))[1]
        _until("/readyz", lambda: _answers(f"{url}/readyz"))
        ready = time.perf_counter() - began
        family = psutil.Process(process.pid).children(recursive=True)
        [api] = [child for child in family if any("api_process" in word for word in child.cmdline())]
        memory = api.memory_info().rss / 1024**2
        _until("the embedding model", lambda: _embedding_is_up(url))
        return {"ready_s": ready, "model_warm_s": time.perf_counter() - began, "api_rss_mib": memory}
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def main() -> int:
    """Run, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=3, metavar="N", help="after the first one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="rr-") as folder:
        first = one_start(Path(folder) / "data")
        later = [one_start(Path(folder) / "data") for _ in range(options.starts)]
    middle = {name: statistics.median(start[name] for start in later) for name in first}
    aims = {"ready_s": "<= 3", "model_warm_s": "<= 18", "api_rss_mib": "<= 200"}
    print(f"{'':<14}{'first start':>14}{'later, median':>16}{'aim':>8}")
    for name in first:
        print(f"{name:<14}{first[name]:>14.2f}{middle[name]:>16.2f}{aims[name]:>8}")
    if options.json is not None:
        options.json.write_text(json.dumps({"first": first, "later": later}, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
