"""Check the rules that the relocation of the packages stands on (docs/adr/0001). Prints `path:line: RRn why`.

    python tools/check_rules.py [ROOT]

RR1  A layer is imported by `from layer.x import y`: `import layer.x` binds a name that is gone in the wheel.
RR2  No string names one of our modules by its dotted path: nothing would rewrite it.
RR3  `alembic/` holds no `__init__.py`: the library of that name would be shadowed.
RR4  Every folder of a layer that holds Python files is a package.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

LAYERS = ("domain", "application", "adapters", "entrypoints")
CHECKED = (*LAYERS, "alembic", "tests", "benchmarks")
DOTTED = re.compile(rf"^(?P<path>(?:{'|'.join(LAYERS)})(?:\.[A-Za-z_]\w*)+)(?::[\w.]*)?$")


def problems(root: Path) -> Iterator[str]:
    """Give one line for each breach below `root`."""
    for folder in CHECKED:
        for path in sorted((root / folder).rglob("*.py")):
            tree = ast.parse(path.read_bytes(), filename=str(path))
            for line, why in _of_module(root, tree):
                yield f"{path.relative_to(root)}:{line}: {why}"
    if (root / "alembic" / "__init__.py").exists():
        yield "alembic/__init__.py:1: RR3 alembic/ is a folder of scripts, not a package"
    for layer in LAYERS:
        for package in sorted({path.parent for path in (root / layer).rglob("*.py")}):
            if not (package / "__init__.py").exists():
                yield f"{package.relative_to(root)}:1: RR4 a folder of Python files without __init__.py"


def _of_module(root: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    docstrings = {id(expression.value) for expression in ast.walk(tree) if isinstance(expression, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".", 1)[0] in LAYERS:
                    yield node.lineno, f"RR1 write `from {alias.name} import …`"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            match = DOTTED.match(node.value)
            if match and _names_a_module(root, match["path"]):
                yield node.lineno, f"RR2 the string {node.value!r} names a module that moves in the wheel"


def _names_a_module(root: Path, dotted: str) -> bool:
    """Whether the first two parts are a module here: `application.json` is a word, `application.errors` is ours."""
    first = root.joinpath(*dotted.split(".")[:2])
    return first.is_dir() or first.with_suffix(".py").is_file()


def main() -> int:
    """Print the breaches; 1 if there are any."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent
    found = list(problems(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
