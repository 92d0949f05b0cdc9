"""Write requirements.lock and requirements-dev.lock: one resolution by pip for every supported Python.

    python tools/lock.py --python python3.11 --python python3.12 --python python3.13

Each interpreter resolves in a clean virtual environment from wheels alone, so a missing wheel is found here and not
by a user. Where the Pythons agree a line stands bare, else with a marker. Hashes are left out: the file of torch
differs by index (a CPU build, a CUDA build) under one pin. For the same reason torch is resolved through a stand-in
wheel that carries its requirements only: the pin `torch==…` is written, and pip adds what the chosen build needs.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH = re.compile(r"^torch==(?P<version>[\w.]+)$")
# What every build of the pinned torch asks for; CUDA builds ask for more, which pip finds by itself.
TORCH_NEEDS = (
    "filelock",
    "fsspec>=0.8.5",
    "jinja2",
    "networkx>=2.5.1",
    "setuptools>=77.0.3",
    "sympy>=1.13.3",
    "typing-extensions>=4.10.0",
)
HEADER = """\
# Made by tools/lock.py from pyproject.toml; do not edit.
# pip installs it on Python {pythons}. No hashes: the file of torch differs by index.
"""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def stand_in(folder: Path, requirements: Sequence[str]) -> None:
    """Write a wheel of torch that has its requirements and nothing else; its local version sorts after real ones."""
    version = next(match["version"] for line in requirements if (match := TORCH.match(line)))
    info = f"torch-{version}+lock.dist-info"
    needs = "".join(f"Requires-Dist: {need}\n" for need in TORCH_NEEDS)
    with zipfile.ZipFile(folder / f"torch-{version}+lock-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}+lock\n{needs}")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: lock\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


def resolve(python: Path, requirements: Sequence[str], links: Path, pins: Mapping[str, str]) -> dict[str, str]:
    """Return name → version of everything that pip would install with this interpreter, held to `pins`."""
    with tempfile.TemporaryDirectory() as folder:
        report, held, wanted = (Path(folder, name) for name in ("report.json", "held.txt", "wanted.txt"))
        held.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        wanted.write_text("".join(f"{line}\n" for line in requirements))
        options = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "-qq"]
        options += ["--find-links", str(links), "--constraint", str(held), "--report", str(report)]
        subprocess.run([python, "-m", "pip", "install", *options, "--requirement", wanted], check=True)
        found = json.loads(report.read_text())["install"]
    return {_normal(item["metadata"]["name"]): item["metadata"]["version"].removesuffix("+lock") for item in found}


def marker(pythons: Sequence[str], having: Sequence[str]) -> str:
    """Say for which of the sorted `pythons` a line holds; a trailing run is open to younger ones."""
    if list(having) == list(pythons):
        return ""
    if list(having) == list(pythons[: len(having)]):
        return f' ; python_version < "{pythons[len(having)]}"'
    if list(having) == list(pythons[-len(having) :]):
        return f' ; python_version >= "{having[0]}"'
    return " ; " + " or ".join(f'python_version == "{version}"' for version in having)


def lines(resolutions: Mapping[str, Mapping[str, str]], *, without: frozenset[str] = frozenset()) -> list[str]:
    """Merge the Pythons' resolutions into sorted requirement lines."""
    pythons = sorted(resolutions, key=lambda version: [int(part) for part in version.split(".")])
    merged = []
    for name in sorted(set(chain.from_iterable(resolutions.values())) - without):
        versions = {resolutions[python][name] for python in pythons if name in resolutions[python]}
        for version in sorted(versions):
            having = [python for python in pythons if resolutions[python].get(name) == version]
            merged.append(f"{name}=={version}{marker(pythons, having)}")
    return merged


def main() -> None:
    """Resolve and write both files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="an interpreter to resolve for; repeatable")
    interpreters = parser.parse_args().python or [sys.executable]

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime: list[str] = project["project"]["dependencies"]
    development: list[str] = project["dependency-groups"]["dev"]
    of_runtime: dict[str, dict[str, str]] = {}
    of_both: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        links = Path(folder, "links")
        links.mkdir()
        stand_in(links, runtime)
        for interpreter in interpreters:
            venv = Path(folder, "venv")
            subprocess.run([interpreter, "-m", "venv", "--clear", venv], check=True)
            python = venv / "bin" / "python"
            subprocess.run([python, "-m", "pip", "install", "-qq", "--upgrade", "pip"], check=True)
            ask = "import sys; print('%d.%d' % sys.version_info[:2])"
            version = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
            of_both[version] = resolve(python, [*runtime, *development], links, {})
            of_runtime[version] = resolve(python, runtime, links, of_both[version])
            print(f"{version}: {len(of_runtime[version])} packages, {len(of_both[version])} with development's")

    header = HEADER.format(pythons=", ".join(of_both))
    (ROOT / "requirements.lock").write_text(header + "".join(f"{line}\n" for line in lines(of_runtime)))
    only_dev = lines(of_both, without=frozenset(chain.from_iterable(of_runtime.values())))
    body = ["-r requirements.lock", *only_dev]
    (ROOT / "requirements-dev.lock").write_text(header + "".join(f"{line}\n" for line in body))


if __name__ == "__main__":
    main()
