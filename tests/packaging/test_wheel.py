"""The wheel, built from the source distribution, in an environment where nobody knows this checkout."""

import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from attrs import frozen

from tools.relocate import LAYERS, relocate_tree

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.timeout(300)  # seconds of work alone, minutes on a busy machine

HOST = """
import domain
from uuid import uuid4

from readingroom.domain.ids import ChunkId, DocumentId, chunk_id

found: ChunkId = chunk_id(DocumentId(uuid4()), {revision}, 0)
print(domain.OWNER, found.version)
"""


@frozen
class Installed:
    """A clean environment with the wheel."""

    wheel: Path
    python: Path
    host: Path

    def run(self, *command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run with nothing of this process's environment that could show it the checkout."""
        environment = {"PATH": f"{self.python.parent}:/usr/bin:/bin", "HOME": str(self.host), "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            command, cwd=cwd or self.host, env=environment, capture_output=True, text=True, check=False, timeout=240
        )


def _succeed(module: str, *arguments: str | Path) -> None:
    command = (sys.executable, "-m", module, *arguments)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    built = folder / "dist"
    _succeed("build", "--no-isolation", "--outdir", built, ROOT)
    (wheel,) = built.glob("*.whl")

    venv.create(folder / "venv", with_pip=False, symlinks=True)
    python = folder / "venv" / "bin" / "python"
    into = Path(sysconfig.get_path("purelib", vars={"base": str(folder / "venv")}))
    # A path in a .pth file is searched, but the .pth files in it are not read: the checkout stays unknown.
    (into / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    _succeed("pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)

    host = folder / "host"
    (host / "domain").mkdir(parents=True)
    (host / "domain" / "__init__.py").write_text('OWNER = "host"\n')
    return Installed(wheel=wheel, python=python, host=host)


def test_ships_one_top_level_package(installed: Installed) -> None:
    """Nothing but `readingroom` and its metadata is installed, and every file of the layers is there."""
    with zipfile.ZipFile(installed.wheel) as archive:
        names = set(archive.namelist())

    expected = {
        f"readingroom/{path.relative_to(ROOT)}"
        for folder in (*LAYERS, "alembic")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {name.split("/", 1)[0] for name in names} == {"readingroom", f"readingroom-{version}.dist-info"}
    assert expected | {f"readingroom/{name}" for name in ("__init__.py", "__main__.py", "py.typed")} == {
        name for name in names if name.startswith("readingroom/")
    }


def test_lives_beside_a_host_with_its_own_domain(installed: Installed) -> None:
    """A host imports its own `domain` and ours in one program."""
    (installed.host / "app.py").write_text(HOST.format(revision=1))

    done = installed.run(installed.python, "app.py")

    assert (done.returncode, done.stdout) == (0, "host 7\n"), done.stderr


def test_a_host_is_checked_against_our_types(installed: Installed) -> None:
    """The installed package is typed: right use passes a strict check, wrong use is found."""
    (installed.host / "right.py").write_text(HOST.format(revision=1))
    (installed.host / "wrong.py").write_text(HOST.format(revision="'one'"))

    mypy = [sys.executable, "-m", "mypy", "--strict", f"--python-executable={installed.python}", "--cache-dir=.mypy"]
    right = installed.run(*mypy, "right.py")
    wrong = installed.run(*mypy, "wrong.py")

    assert right.returncode == 0, right.stdout
    assert '"chunk_id" has incompatible type "str"; expected "int"' in wrong.stdout


@pytest.mark.parametrize("start", [("readingroom",), ("python", "-m", "readingroom")], ids=["script", "module"])
def test_brings_its_command(installed: Installed, start: tuple[str, ...]) -> None:
    """The command is there under its name and as a module."""
    first, *rest = start

    done = installed.run(installed.python.parent / first, *rest, "--help")

    assert done.returncode == 0, done.stderr
    assert "serve" in done.stdout


def test_passes_the_fast_tests(installed: Installed) -> None:
    """What holds for the plain names in the checkout holds for the relocated ones in the wheel."""
    folder = installed.host.parent / "relocated"
    relocate_tree(ROOT / "tests", folder / "tests")
    (folder / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())

    options = ("-q", "-p", "no:cacheprovider")
    done = installed.run(installed.python, "-m", "pytest", *options, "tests/domain", "tests/application", cwd=folder)

    assert done.returncode == 0, done.stdout + done.stderr
