"""What containers, Makefile and documents call is what the program understands."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from entrypoints.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]

CALLS = {
    **{name: service["command"] for name, service in SERVICES.items() if service["image"].startswith("readingroom:")},
    **{
        f"{name} (health)": service["healthcheck"]["test"][2:]
        for name, service in SERVICES.items()
        if service["healthcheck"].get("test", [])[1:2] == ["readingroom"]
    },
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_containers_call_commands_that_exist(call: list[str]) -> None:
    """Command and options are understood, without being carried out."""
    command, *options = call

    COMMANDS[command].make_context(command, options)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "docs/deployment.md", "Makefile"])
def test_documents_name_commands_that_exist(name: str) -> None:
    """Each `readingroom word` of a document is a command."""
    told = re.findall(r"(?:`|/|api )(?:readingroom )([a-z]+)\b", (ROOT / name).read_text())

    assert set(told) <= set(COMMANDS)


def test_make_targets_of_the_readme_exist() -> None:
    """Each `make word` of a document is a target, and each target says what it does."""
    makefile = (ROOT / "Makefile").read_text()
    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    told = {
        word
        for name in ("README.md", "CONTRIBUTING.md", "docs/deployment.md")
        for word in re.findall(r"(?:^|`|\s{2})make ([a-z-]+)\b", (ROOT / name).read_text(), re.MULTILINE)
    }

    assert told <= explained
    assert {"run", "install", "test", "test-fast", "format", "bench", "evaluate", "help"} <= explained
