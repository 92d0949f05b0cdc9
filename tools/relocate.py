"""Build hook: what is `domain` in the checkout is `readingroom.domain` in the wheel.

The four layers are import packages under plain names here, so that every tool works unaided. A wheel that shipped
them so would shadow a host's own `domain`; so the hook writes them beneath one package, with their imports rewritten
(docs/adr/0001). An editable install keeps the plain names and adds the command alone.

Used as a script it relocates a folder of tests, so that they run against the installed wheel:

    python tools/relocate.py tests /tmp/somewhere/tests
"""

import ast
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "readingroom"
LAYERS = ("domain", "application", "adapters", "entrypoints")
MIGRATIONS = "alembic"  # a folder beside the layers, never an import package: its name is a library's

_INIT = '"""Reading Room: documents become knowledge that people and Claude search, question and discuss live."""\n'
_MAIN = '''\
"""The command `readingroom`."""

from entrypoints.cli import main

if __name__ == "__main__":
    main()
'''
_FROM = re.compile(rb"from(?:[ \t\f]|\\\r?\n)+")


class NotRelocatable(Exception):
    """A statement that cannot be moved; the message is `path:line: why`."""


def relocated(source: bytes, *, path: str = "<source>") -> bytes:
    """Put the package before each absolute import of a layer and leave every other byte as it was.

    Raises NotRelocatable for `import layer.x` without `as`: it binds the name `layer`, which is gone after the move.
    """
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    places = []
    for node in ast.walk(ast.parse(source, filename=path)):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _is_ours(node.module):
            keyword = _FROM.match(source, starts[node.lineno - 1] + node.col_offset)
            if keyword is None:
                message = f"{path}:{node.lineno}: an import that the relocation cannot read"
                raise NotRelocatable(message)
            places.append(keyword.end())
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _is_ours(alias.name) and alias.asname is None:
                    message = f"{path}:{node.lineno}: write `from {alias.name} import …`"
                    raise NotRelocatable(message)
                if _is_ours(alias.name):
                    places.append(starts[alias.lineno - 1] + alias.col_offset)
    for place in sorted(places, reverse=True):
        source = source[:place] + f"{PACKAGE}.".encode() + source[place:]
    return source


def relocate_tree(origin: Path, target: Path) -> None:
    """Copy a folder with its data files, its Python files relocated. Caches and hidden files stay behind."""
    for path in sorted(origin.rglob("*")):
        inner = path.relative_to(origin)
        if path.is_dir() or any(part.startswith(".") or part == "__pycache__" for part in inner.parts):
            continue
        copy = target / inner
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".py":
            copy.write_bytes(relocated(path.read_bytes(), path=str(path)))
        else:
            shutil.copyfile(path, copy)


def write_package(root: Path, target: Path) -> None:
    """Write the whole relocated package of the checkout at `root` into `target`."""
    if (root / MIGRATIONS / "__init__.py").exists():
        message = f"{MIGRATIONS}/__init__.py:1: would shadow the library of that name"
        raise NotRelocatable(message)
    for name in (*LAYERS, MIGRATIONS):
        relocate_tree(root / name, target / name)
    _write_command(target, relocated(_MAIN.encode()))
    (target / "py.typed").touch()


def _write_command(target: Path, main: bytes) -> None:
    target.mkdir(parents=True, exist_ok=True)
    (target / "__init__.py").write_text(_INIT, encoding="utf-8")
    (target / "__main__.py").write_bytes(main)


def _is_ours(module: str | None) -> bool:
    return module is not None and module.split(".", 1)[0] in LAYERS


class RelocateHook(BuildHookInterface[Any]):
    """Hand hatchling the relocated package, or for an editable install the command that imports the plain names."""

    PLUGIN_NAME = "custom"
    _folder: Path | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write what is to be packed into a folder of its own and include it."""
        self._folder = Path(tempfile.mkdtemp(prefix="readingroom-build-"))
        target = self._folder / PACKAGE
        if version == "editable":
            _write_command(target, _MAIN.encode())
            build_data["force_include_editable"][str(target)] = PACKAGE
        else:
            write_package(Path(self.root), target)
            build_data["force_include"][str(target)] = PACKAGE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove that folder."""
        if self._folder is not None:
            shutil.rmtree(self._folder)
            self._folder = None


if __name__ == "__main__":
    relocate_tree(Path(sys.argv[1]), Path(sys.argv[2]))
