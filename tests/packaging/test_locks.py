"""The locks say what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYTHONS = ("3.11", "3.12", "3.13")


def _pins(name: str, python: str) -> dict[str, str]:
    pins: dict[str, str] = {}
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith(("#", "-r ")):
            continue
        requirement = Requirement(line)
        (exact,) = requirement.specifier
        assert exact.operator == "=="
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            assert canonicalize_name(requirement.name) not in pins, line
            pins[canonicalize_name(requirement.name)] = exact.version
    return pins


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_locked_once(python: str) -> None:
    """On each Python, every requirement of the project has exactly one pin, and the pin satisfies it."""
    runtime = _pins("requirements.lock", python)
    both = runtime | _pins("requirements-dev.lock", python)

    for pins, lines in (
        (runtime, PROJECT["project"]["dependencies"]),
        (both, PROJECT["dependency-groups"]["dev"]),
        (both, PROJECT["build-system"]["requires"]),
    ):
        for requirement in map(Requirement, lines):
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement.name


def test_the_files_do_not_overlap() -> None:
    """What runs is locked in one file, what develops on top of it in the other."""
    assert "-r requirements.lock" in (ROOT / "requirements-dev.lock").read_text().splitlines()
    assert not set(_pins("requirements.lock", "3.11")) & set(_pins("requirements-dev.lock", "3.11"))


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_any_index_will_do(name: str) -> None:
    """No line names an index, an address, a local build or a hash: a mirror and a CPU build of torch satisfy it."""
    text = (ROOT / name).read_text()

    assert not re.search(r"https?:|--(?:extra-)?index|--find-links|--hash|\+\w", text)
