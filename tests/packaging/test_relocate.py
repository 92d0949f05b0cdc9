"""The rewriting of imports, and the rules it stands on."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.check_rules import problems
from tools.relocate import NotRelocatable, relocate_tree, relocated, write_package

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from domain.ids import UserId\n", "from readingroom.domain.ids import UserId\n"),
        ("from adapters import redis\n", "from readingroom.adapters import redis\n"),
        ("from  \\\n  domain.ids import UserId\n", "from  \\\n  readingroom.domain.ids import UserId\n"),
        ("if x: from domain import ids; y = 1\n", "if x: from readingroom.domain import ids; y = 1\n"),
        ("é = 1; from domain import ids\n", "é = 1; from readingroom.domain import ids\n"),
        ("import domain.ids as ids, os\n", "import readingroom.domain.ids as ids, os\n"),
        ("def f():\n\tfrom domain import ids\n", "def f():\n\tfrom readingroom.domain import ids\n"),
        ("from domain import ids\r\nx = 1\r\n", "from readingroom.domain import ids\r\nx = 1\r\n"),
        ("x = '''\n\f'''\nfrom domain import ids\n", "x = '''\n\f'''\nfrom readingroom.domain import ids\n"),
        ("'''\nfrom domain import ids\n'''\n", "'''\nfrom domain import ids\n'''\n"),
        ("# from domain import ids\n", "# from domain import ids\n"),
        ("from .domain import ids\nfrom . import domain\n", "from .domain import ids\nfrom . import domain\n"),
        ("from domains import ids\nfrom alembic import op\n", "from domains import ids\nfrom alembic import op\n"),
        ("domain = domain.ids\n", "domain = domain.ids\n"),
    ],
)
def test_only_imports_of_layers_change(before: str, after: str) -> None:
    """Imports of the four layers move; strings, comments, relative imports and other names stay to the byte."""
    assert after.encode() == relocated(before.encode())


def test_an_import_that_binds_the_layer_is_refused() -> None:
    """`import domain.ids` cannot move, and the build says where it stands."""
    with pytest.raises(NotRelocatable, match=r"^some/file\.py:2: write `from domain\.ids import"):
        relocated(b"x = 1\nimport domain.ids\n", path="some/file.py")


def test_data_files_move_along(tmp_path: Path) -> None:
    """Scripts and pages are copied as they are; caches and hidden files are not."""
    origin = tmp_path / "layer"
    for name in ("a.lua", "__pycache__/a.pyc", ".hidden", "inner/page.html"):
        (origin / name).parent.mkdir(parents=True, exist_ok=True)
        (origin / name).write_text("from domain import ids")

    relocate_tree(origin, tmp_path / "target")

    found = {str(path.relative_to(tmp_path / "target")) for path in (tmp_path / "target").rglob("*.*")}
    assert found == {"a.lua", "inner/page.html"}
    assert (tmp_path / "target" / "a.lua").read_text() == "from domain import ids"


def test_migrations_that_are_a_package_are_refused(tmp_path: Path) -> None:
    """A package named alembic would hide the library."""
    (tmp_path / "alembic").mkdir()
    (tmp_path / "alembic" / "__init__.py").touch()

    with pytest.raises(NotRelocatable):
        write_package(tmp_path, tmp_path / "target")


def test_this_repository_keeps_the_rules() -> None:
    """No breach in the checkout."""
    assert list(problems(ROOT)) == []


@pytest.mark.parametrize(
    ("path", "source", "rule"),
    [
        ("adapters/a.py", "import domain.ids", "RR1"),
        ("tests/test_a.py", "import domain.ids as ids", "RR1"),
        ("entrypoints/a.py", "APP = 'domain.ids:UserId'", "RR2"),
        ("entrypoints/a.py", "name = 'domain.ids'", "RR2"),
        ("alembic/__init__.py", "", "RR3"),
        ("adapters/inner/a.py", "", "RR4"),
    ],
)
def test_each_rule_finds_its_breach(tmp_path: Path, path: str, source: str, rule: str) -> None:
    """One breach gives one line with its place and its rule, and the script fails."""
    for folder in ("domain", "adapters", "entrypoints"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    (tmp_path / "domain" / "ids.py").touch()
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text(source)

    script = str(ROOT / "tools" / "check_rules.py")
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stdout.startswith(f"{path if rule != 'RR4' else 'adapters/inner'}:1: {rule} ")
    assert done.stdout.count("\n") == 1


def test_words_that_look_like_modules_are_let_be(tmp_path: Path) -> None:
    """A media type, a sentence and a docstring are no module paths."""
    shutil.copytree(ROOT / "domain", tmp_path / "domain")
    (tmp_path / "domain" / "words.py").write_text(
        '"""See domain.ids."""\nx = "application.json"\ny = "See domain.ids for more."\n'
    )

    assert list(problems(tmp_path)) == []
