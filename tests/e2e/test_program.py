"""The program as its users run it, on embedded engines, from the first start to the last line."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.rooms.rolling import House, restart_while_used
from tests.e2e.program import ROOT, Client, Server, command, environment, free_port, serving, short_directory, until
from tests.samples.documents import pdf

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

HERON = "The grey heron stands still for hours. It eats fish, frogs and small mammals.\n"


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    with short_directory() as path:
        yield path / "data"


@pytest.fixture(scope="module")
def server(data_dir: Path) -> Iterator[Server]:
    with serving(data_dir) as running:
        yield running


@pytest.fixture(scope="module")
def ann(server: Server) -> Iterator[Client]:
    with Client.registered(server.url) as client:
        yield client


def test_from_upload_to_a_citation_on_the_right_page(ann: Client) -> None:
    """A PDF becomes passages; a question is answered with a quote from the page it stands on."""
    ann.upload(
        "birds.pdf", pdf([[(12, "Storks build their nests on roofs.")], [(12, "The grey heron eats fish and frogs.")]])
    )
    [document] = [d for d in ann.settled() if d["filename"] == "birds.pdf"]
    events = ann.ask("What does the grey heron eat?")

    assert ("ready", 2) == (document["status"], document["page_count"])
    message = events[-1][2]["message"]
    assert ("message.completed", "extractive") == (events[-1][1], message["model"])
    assert message["content"] == "".join(data["text"] for _, name, data in events if name == "content.delta")
    heron = next(c for c in message["citations"] if "heron" in c["quote"])
    assert (2, 2, "birds.pdf") == (heron["page_from"], heron["page_to"], heron["document_title"])
    assert list(range(1, len(events) + 1)) == [number for number, _, _ in events]


def test_commands_use_the_running_server(server: Server, ann: Client, data_dir: Path, tmp_path: Path) -> None:
    """`ingest`, `search` and `ask` find the engines of the server on the same data directory, and its workspace."""
    (tmp_path / "heron.txt").write_text(HERON)
    first = command("ingest", str(tmp_path), "--json", data_dir=data_dir)
    again = command("ingest", str(tmp_path), "--json", data_dir=data_dir)
    found = command("search", "grey heron frogs", "--json", data_dir=data_dir)
    asked = command("ask", "What does the heron eat?", data_dir=data_dir)

    assert ["ready"] == [file["result"] for file in json.loads(first.stdout)["files"]]
    assert ["unchanged"] == [file["result"] for file in json.loads(again.stdout)["files"]]
    assert any("small mammals" in result["text"] for result in json.loads(found.stdout)["results"])
    assert "[1]" in asked.stdout
    assert any("heron" in result["text"] for result in ann.search("small mammals"))


def test_commands_speak_to_a_server_elsewhere(server: Server, ann: Client, data_dir: Path, tmp_path: Path) -> None:
    """With `--server` they need no engines, only the key."""
    (tmp_path / "otter.md").write_text("# Otter\n\nThe otter sleeps on its back.\n")
    elsewhere, key = tmp_path / "none", {"READINGROOM_API_KEY": ann.token}
    done = command("ingest", str(tmp_path / "otter.md"), "--server", server.url, data_dir=elsewhere, env=key)
    asked = command("ask", "How does the otter sleep?", "--server", server.url, data_dir=elsewhere, env=key)
    keyless = command("search", "otter", "--server", server.url, data_dir=elsewhere)

    assert "1 ready" in done.stdout
    assert "sleeps on its back" in asked.stdout
    assert (2, False) == (keyless.returncode, elsewhere.exists())
    assert "READINGROOM_API_KEY" in keyless.stderr


def test_a_second_server_is_refused_with_the_pid_of_the_first(server: Server, data_dir: Path) -> None:
    """One line says who uses the directory."""
    second = command("serve", "--port", str(free_port()), data_dir=data_dir)

    assert 1 == second.returncode
    [line] = second.stderr.splitlines()
    assert str(server.process.pid) in line


def test_a_taken_port_is_said_in_one_line(server: Server, data_dir: Path) -> None:
    """Before any engine is started."""
    port = server.url.rsplit(":", 1)[1]
    with short_directory() as other:
        second = command("serve", "--port", port, data_dir=other / "data")

    assert 1 == second.returncode
    assert re.fullmatch(rf"Cannot listen on 127\.0\.0\.1:{port}: .*--port\.\n", second.stderr)


async def test_a_restart_that_nobody_notices(server: Server, ann: Client) -> None:
    """On SIGHUP a new process takes over while people write and read: nothing lost, repeated or reordered."""
    room = ann.http.post(f"{ann.workspace}/rooms", json={"name": "Open all night"}).raise_for_status().json()["id"]
    house = House(int(server.url.rsplit(":", 1)[1]), ann.token, room)
    seen = await restart_while_used(server, house, readers=4, writers=2)

    assert (1, {4001: seen["comebacks"]}) == (seen["processes_replaced"], seen["close_codes"])
    assert seen["comebacks"] >= 4
    faults = ("lost", "repeated", "reordered", "answered_with_another_number", "not_recovered", "rooms_with_gaps")
    assert dict.fromkeys(faults, 0) == {name: seen[name] for name in faults}
    assert seen["published"] > 10


def test_what_the_server_logs_is_json_without_secrets(server: Server, ann: Client) -> None:
    """Each line that is not the announcement is an event; neither token nor document text is among them."""
    ann.ask("What does the grey heron eat?")
    text = server.log.read_text()
    lines = [line for line in text.splitlines() if line.startswith("{")]

    assert lines
    assert all("event" in json.loads(line) for line in lines)
    assert ann.token not in text
    assert "heron" not in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_nothing_and_a_second_start_finds_everything(number: signal.Signals) -> None:
    """Every process is gone, the exit code is good, and the data is there at the next start."""
    with short_directory() as path:
        with serving(path / "data") as first:
            with Client.registered(first.url) as client:
                client.upload("a.txt", HERON.encode())
            family = first.family()
            code = first.stop(number)
        gone = until(lambda: not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE])
        with serving(path / "data") as second, Client.logged_in(second.url) as client:
            [document] = client.settled()

    assert (0, True, "ready") == (code, gone, document["status"])


def test_commands_start_engines_when_no_server_runs(tmp_path: Path) -> None:
    """For the time of the command; the next one finds what it left."""
    (tmp_path / "heron.txt").write_text(HERON)
    with short_directory() as path:
        done = command("ingest", str(tmp_path / "heron.txt"), data_dir=path / "data")
        found = command("search", "heron", data_dir=path / "data")

    assert "1 ready, 0 unchanged, 0 failed" in done.stdout
    assert "small mammals" in found.stdout


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("READINGROOM_PORT", "eighty", "number|integer"),
        ("READINGROOM_ACCESS_TOKEN_TTL", "soon", "15m"),
        ("READINGROOM_DATABASE_URL", "mysql://x", "postgresql://"),
        ("READINGROOM_CITATIONS_MODE", "loud", "native.*inline"),
    ],
)
def test_a_wrong_setting_is_one_line_and_exit_2(tmp_path: Path, variable: str, value: str, said: str) -> None:
    """It names the variable and what is accepted."""
    done = command("serve", data_dir=tmp_path / "data", env={variable: value})

    assert 2 == done.returncode
    [line] = done.stderr.splitlines()
    assert line.startswith(variable)
    assert re.search(said, line)


def test_a_missing_model_folder_is_one_line(tmp_path: Path) -> None:
    """Before any engine is started."""
    done = command(
        "serve", "--port", "0", data_dir=tmp_path / "d", env={"READINGROOM_EMBEDDING_MODEL": "/nowhere/model"}
    )

    assert 1 == done.returncode
    [line] = done.stderr.splitlines()
    assert "/nowhere/model" in line


async def test_a_foreign_database_is_migrated_only_when_asked(fresh_database: str) -> None:
    """A server refuses an old schema and says what to do; `migrate` brings it up, `migrate --check` tells."""
    with short_directory() as path:
        env = {"READINGROOM_DATABASE_URL": fresh_database, "READINGROOM_SECRET_KEY": "k" * 40}
        refused = command("search", "x", data_dir=path / "data", env=env)
        before = command("migrate", "--check", data_dir=path / "data", env=env)
        done = command("migrate", data_dir=path / "data", env=env)
        after = command("migrate", "--check", data_dir=path / "data", env=env)

    assert 1 == refused.returncode
    assert "readingroom migrate" in refused.stderr
    assert [1, 0, 0] == [before.returncode, done.returncode, after.returncode]


def test_the_documented_host_runs_as_it_is_written(tmp_path: Path) -> None:
    """The first program of docs/embedding.md ingests a folder and asks, without HTTP."""
    source = re.search(r"```python\n(.*?)```", (ROOT / "docs/embedding.md").read_text(), re.DOTALL)
    assert source is not None
    program = source[1].replace("readingroom.", "")  # the checkout's plain names
    with short_directory() as path:
        (path / "contracts").mkdir()
        (path / "contracts/lease.txt").write_text("The notice period is three months to the end of a quarter.")
        (path / "program.py").write_text(program)
        done = subprocess.run(
            [sys.executable, "program.py"],
            env=environment(path / "data"),
            cwd=path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert "lease.txt ready" in done.stdout
    assert "three months" in done.stdout
    assert "[lease.txt, page None]" in done.stdout
