"""Rules of the house that no other tool checks (CONTRIBUTING.md)."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (
    "domain",
    "application",
    "adapters",
    "entrypoints",
    "alembic",
    "tests",
    "tools",
    "deploy",
    "docs",
    "benchmarks",
)
LONGEST = 400  # lines
LONGEST_TEST = 600  # a suite says all of one contract in one place
# Written in pieces, so that this file does not name them.
FOREIGN = re.compile(
    "|".join(
        (
            r"(?<![\w.])/wor" + r"k\b",
            r"(?<![\w.])/roo" + r"t/",
            r"py" + r"pi\.(?:org|io)",
            r"python" + r"hosted",
            r"npm" + r"js\.(?:org|com)",
            r"pytorch" + r"\.org",
            r"\bissue #?\d",
        )
    ),
    re.IGNORECASE,
)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\((?P<target>[^)\s]+)\)")


def _files(*suffixes: str) -> Iterator[Path]:
    """Every file of the repository's own: those in known folders and those that stand at the top."""
    tops = [path for path in ROOT.iterdir() if path.is_file()]
    for path in (*tops, *(inner for folder in FOLDERS for inner in (ROOT / folder).rglob("*"))):
        ignored = "__pycache__" in path.parts or "secrets" in path.relative_to(ROOT).parts or path.suffix == ".pyc"
        if path.is_file() and not ignored and (not suffixes or path.suffix in suffixes):
            yield path


def _trees(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_bytes())


def test_files_are_short() -> None:
    """One concept a file: none of the program's is longer than 400 lines, no test's longer than 600."""
    too_long = {
        str(path.relative_to(ROOT)): count
        for path in _files(".py")
        if (count := path.read_text().count("\n")) > (LONGEST_TEST if ROOT / "tests" in path.parents else LONGEST)
    }

    assert not too_long


def test_the_repository_speaks_of_itself_alone() -> None:
    """No path of somebody's machine, no host of a registry, no number of a ticket."""
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in _files(".py", ".md", ".toml", ".yml", ".lock", ".conf", ".lua", ".html", "")
        if path.name not in {"LICENSE", ".git", ".env"}
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if FOREIGN.search(line)
    ]

    assert not found


def test_every_skip_has_a_reason() -> None:
    """Who leaves a test out says why, in words that are printed at the end of a run."""
    silent = []
    for path, tree in _trees("tests"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "importorskip":
                silent.append(f"{path}:{node.lineno}: a missing library is a broken set-up")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                given = {keyword.arg for keyword in node.keywords}
                by_mark = node.func.attr in {"skipif", "xfail"} and "reason" not in given
                by_call = node.func.attr == "skip" and not node.args and "reason" not in given
                if by_mark or by_call:
                    silent.append(f"{path}:{node.lineno}: {node.func.attr} without a reason")
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                silent += [
                    f"{path}:{node.lineno}: a bare mark"
                    for mark in node.decorator_list
                    if isinstance(mark, ast.Attribute) and mark.attr in {"skip", "xfail"}
                ]

    assert not silent


def test_contract_suites_run_on_fake_and_real() -> None:
    """Every suite of a port's contract has tests that run on the fake and tests that run on something real."""
    collect = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:randomly", "tests/contracts"]
    done = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True, check=False)
    ids = re.findall(r"^tests/contracts/(test_\w+)\.py::(\S+)$", done.stdout, re.MULTILINE)

    suites = {path.stem for path in (ROOT / "tests" / "contracts").glob("test_*.py")}
    on_fakes = {suite for suite, test in ids if "fake" in test}
    on_real = {suite for suite, test in ids if "[" in test and "fake" not in test}
    assert done.returncode == 0, done.stdout
    assert suites == on_fakes == on_real


def test_no_mocks() -> None:
    """Outside things are replaced by fakes that keep the port's contract."""
    mocked = [
        f"{path}:{node.lineno}"
        for path, tree in _trees("tests")
        for node in ast.walk(tree)
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest"))
        or (isinstance(node, ast.Import) and any(alias.name.startswith("unittest") for alias in node.names))
    ]

    assert not mocked


@pytest.mark.parametrize("word", ["TO" + "DO", "FIX" + "ME", "X" + "XX"])
def test_nothing_is_left_for_later(word: str) -> None:
    """What is not done is in the tracker, not in the code."""
    found = [
        str(path) for path in _files(".py", ".toml", ".yml", ".lua") if re.search(rf"\b{word}\b", path.read_text())
    ]

    assert not found


@pytest.mark.parametrize("path", sorted(_files(".md")), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link of a document names a file that is there, and a heading in it if it names one."""
    broken = []
    for link in LINK.finditer(path.read_text()):
        target, _, anchor = link["target"].partition("#")
        if ":" in target:
            continue
        there = (path.parent / target) if target else path
        if not there.exists() or (anchor and anchor not in _anchors(there)):
            broken.append(link["target"])

    assert not broken


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_decisions_have_one_form() -> None:
    """Each decision record says its context, its decision, its consequences and what else was thought of."""
    records = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))

    assert [path.name[:4] for path in records] == [f"{number:04}" for number in range(len(records))]
    for path in records:
        headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences", "Alternatives"], path.name
