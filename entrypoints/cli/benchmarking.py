"""`readingroom bench`: the benchmarks, which stand in a checkout and are not shipped with the program."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from entrypoints.cli.output import WRONG_USE, complain


def bench(folder: Path, arguments: Sequence[str]) -> int:
    """Run those of the checkout at `folder` with these arguments; the exit code."""
    if not (folder / "benchmarks" / "__main__.py").is_file():
        complain(
            f"There are no benchmarks in {folder}. They are not part of the installed program: "
            "run this in a checkout of the source, with `make install` done."
        )
        return WRONG_USE
    return subprocess.run([sys.executable, "-m", "benchmarks", *arguments], cwd=folder, check=False).returncode
