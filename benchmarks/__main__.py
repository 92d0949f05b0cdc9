"""All benchmarks that need no data from outside, one after the other, each in a process of its own.

    python -m benchmarks [NAME ...]

Each prints a table; those of start, search and rooms also keep their numbers as JSON in benchmarks/results/.
`python -m benchmarks.NAME --help` tells what one of them can be asked. `ingest`, `parsing` and `evaluate` take a folder
of files and are run by themselves; so are `faults`, which kills everything in turn and takes its time, `leaks`, which
asks for what nobody may see, `bulk`, which ingests and deletes large things, and `failures`, which tries every way in
which the language model can fail.
"""

import subprocess
import sys
from pathlib import Path

NAMES = ("startup", "search", "answers", "requests", "lists", "rooms")
KEEPING = ("startup", "search", "rooms")  # those that write their numbers as JSON
RESULTS = Path(__file__).with_name("results")


def main() -> int:
    """The first exit code that is not 0, after all ran."""
    names = sys.argv[1:] or NAMES
    unknown = set(names) - set(NAMES)
    if unknown:
        print(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    RESULTS.mkdir(exist_ok=True)
    worst = 0
    for name in names:
        print(f"\n== {name}", flush=True)
        keeping = ["--json", str(RESULTS / f"{name}.json")] if name in KEEPING else []
        done = subprocess.run([sys.executable, "-m", f"{__package__}.{name}", *keeping], check=False)
        worst = worst or done.returncode
    return worst


if __name__ == "__main__":
    sys.exit(main())
