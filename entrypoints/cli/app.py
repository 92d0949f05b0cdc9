"""All commands and their options. What a command needs is imported when it runs: `--help` answers at once."""

import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from domain.passages import SearchMode
from entrypoints.cli.output import FAILED, WRONG_USE, WholeSummaries, complain, print_json
from entrypoints.cli.running import Invocation, run
from entrypoints.cli.users import users

app = typer.Typer(
    name="readingroom",
    cls=WholeSummaries,
    help="Documents become knowledge that people and Claude search, question and discuss live.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(users, name="users")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Server = Annotated[
    str | None, typer.Option(help="Use a running server at this URL, with READINGROOM_API_KEY, instead of the engines.")
]
Workspace = Annotated[str | None, typer.Option(help="The workspace to work in, by name or id.")]
Repair = Annotated[bool, typer.Option("--repair", help="Mend what the stores disagree about.")]
InCollection = Annotated[str | None, typer.Option("--collection", help="Only this collection, by name.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(version("readingroom"))
        except PackageNotFoundError:
            typer.echo("unknown: the package is not installed")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with settings; the environment wins over it.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Settings come from READINGROOM_… variables, a .env file or --config; `readingroom config` shows them."""
    context.obj = Invocation(config=config)


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option(help="Where to listen.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="API processes.")] = 1,
    worker: Annotated[
        bool | None,
        typer.Option("--worker/--no-worker", help="Also ingest here; by default when Postgres is embedded."),
    ] = None,
) -> None:
    """Run the API, the WebSocket and the web page, with embedded engines where no URL replaces them.

    SIGHUP replaces the API processes one after the other while the address stays open; SIGTERM and Ctrl-C stop.
    """
    from entrypoints.serving import serve as serve_until_stopped

    invocation: Invocation = context.obj
    settings = invocation.settings(host=host, port=port)
    with_worker = settings.postgres_is_embedded if worker is None else worker
    run(lambda: serve_until_stopped(settings, workers=workers, with_worker=with_worker), settings)


@app.command()
def worker(
    context: typer.Context,
    concurrency: Annotated[int | None, typer.Option(min=1, max=64, help="Documents ingested at once.")] = None,
) -> None:
    """Run ingestion and maintenance jobs only, until stopped."""
    from entrypoints.cli.working import run_worker_until_stopped

    invocation: Invocation = context.obj
    settings = invocation.settings(worker_concurrency=concurrency)
    run(lambda: run_worker_until_stopped(settings), settings)


@app.command()
def embedder(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 8001,
) -> None:
    """Run the embedding server alone, for API processes and workers that name it by READINGROOM_EMBEDDING_URL."""
    from entrypoints.cli.embedder import serve_embeddings

    invocation: Invocation = context.obj
    raise typer.Exit(serve_embeddings(invocation.settings(), host=host, port=port))


@app.command()
def migrate(
    context: typer.Context,
    to: Annotated[str, typer.Option(help="The revision to go to.")] = "head",
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 when the schema is not current.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the schema of Postgres and the collection of Qdrant to this version."""
    from entrypoints.cli import administration

    invocation: Invocation = context.obj
    settings = invocation.settings()
    if check:
        state = run(lambda: administration.schema_state(settings), settings, log_level="warning")
        administration.print_schema(state, as_json=as_json)
        if not state.is_current:
            raise typer.Exit(FAILED)
        return
    if not administration.is_revision(to):
        complain(f"--to: there is no revision {to!r}; `readingroom migrate --check` names those that are pending")
        raise typer.Exit(WRONG_USE)
    state, index = run(lambda: administration.migrate(settings, to), settings, log_level="warning")
    if as_json:
        print_json({**administration.schema_view(state), "index": index})
        return
    typer.echo(f"The schema is at {to}.")
    if index is not None:
        typer.echo(f"The index is {index}.")


@app.command()
def ingest(  # noqa: PLR0913, PLR0917 one argument per option
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    collection: Annotated[str | None, typer.Option(help="Put them into this collection, made if missing.")] = None,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Folders inside folders too.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on with new and changed files until Ctrl-C.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Files handed over at once.")] = 4,
    server: Server = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Take files and folders in; unchanged ones are skipped, changed ones become a new revision."""
    from entrypoints.cli import ingest as ingesting
    from entrypoints.cli.watching import stamps
    from entrypoints.cli.working import Follow, ingest_files

    invocation: Invocation = context.obj
    settings = invocation.settings()
    missing = [path for path in paths if not path.is_file() and not path.is_dir()]  # a pipe would be waited for
    for path in missing:
        complain(f"{path}: neither a file nor a folder" if path.exists() else f"{path}: no such file or folder")
    if missing:
        raise typer.Exit(WRONG_USE)
    files = list(ingesting.files_under(paths, recursive=recursive))
    started = time.monotonic()

    def tell(told: Sequence[ingesting.Outcome]) -> None:
        if as_json:
            print_json({"files": [outcome.view() for outcome in told]})
        else:
            ingesting.print_summary(told, time.monotonic() - started)

    follow = Follow(
        look=lambda: stamps(ingesting.files_under(paths, recursive=recursive, tell=False)),
        tell=tell,
    )
    outcomes = run(
        lambda: ingest_files(
            settings,
            files,
            collection=collection,
            server=server,
            workspace=workspace,
            quiet=as_json,
            at_once=concurrency,
            follow=follow if watch else None,
        ),
        settings,
        log_level="error",
    )
    tell(outcomes)
    if any(outcome.result == "failed" for outcome in outcomes):
        raise typer.Exit(FAILED)


@app.command()
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Passages to print.")] = 5,
    mode: Annotated[SearchMode, typer.Option(help="Which halves of the index answer.")] = SearchMode.HYBRID,
    collection: InCollection = None,
    server: Server = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Print the passages that fit best."""
    from entrypoints.cli import answers
    from entrypoints.cli.working import backend

    invocation: Invocation = context.obj
    settings = invocation.settings()

    async def work() -> dict[str, Any]:
        async with backend(settings, server=server, workspace=workspace, role="search") as behind:
            chosen = None if collection is None else await behind.collection(collection)
            found: dict[str, Any] = await behind.search(query, limit=limit, mode=mode, collection_id=chosen)
            return found

    found = run(work, settings, log_level="error")
    if as_json:
        print_json(found)
    else:
        answers.print_passages(found)


@app.command()
def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="What you want to know.")],
    collection: InCollection = None,
    conversation: Annotated[UUID | None, typer.Option(help="Go on with this conversation, by id.")] = None,
    server: Server = None,
    workspace: Workspace = None,
    as_json: Json = False,
) -> None:
    """Stream an answer, then its numbered citations with title, page and quote."""
    from entrypoints.cli import answers
    from entrypoints.cli.working import backend

    invocation: Invocation = context.obj
    settings = invocation.settings()

    async def work() -> dict[str, Any]:
        async with backend(settings, server=server, workspace=workspace, role="ask") as behind:
            chosen = None if collection is None else await behind.collection(collection)
            begun = None if conversation is None else str(conversation)
            events = behind.ask(question, collection_id=chosen, conversation=begun)
            if not as_json:
                return await answers.print_answer(events)
            last: dict[str, Any] = {}
            async for name, data in events:
                last = data if name in {"message.completed", "message.failed"} else last
            return last

    last = run(work, settings, log_level="error")
    if as_json:
        print_json(last.get("message"))
    if not last or last.get("error"):
        raise typer.Exit(FAILED)


@app.command()
def config(context: typer.Context, as_json: Json = False) -> None:
    """Print the effective settings, secrets masked."""
    from entrypoints.cli import administration

    invocation: Invocation = context.obj
    administration.print_settings(invocation.settings(), as_json=as_json)


@app.command(name="doctor")
def examine(context: typer.Context, repair: Repair = False, workspace_json: Json = False) -> None:
    """Check engines, versions, disk, the embedding model and the key; compare what the stores hold."""
    from entrypoints.cli import doctor

    invocation: Invocation = context.obj
    settings = invocation.settings()
    checks = run(lambda: doctor.examine(settings, repair=repair), settings, log_level="error")
    if workspace_json:
        print_json({"checks": [check.view() for check in checks]})
    else:
        doctor.print_checks(checks)
    if any(not check.good for check in checks):
        raise typer.Exit(FAILED)


@app.command()
def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Which ones; all that need no data when left out.")] = None,
) -> None:
    """Run the benchmarks of the checkout that this is called in."""
    from entrypoints.cli.benchmarking import bench as run_benchmarks

    raise typer.Exit(run_benchmarks(Path.cwd(), names or []))


def main() -> None:
    """The command's entry."""
    app(prog_name="readingroom")


if __name__ == "__main__":
    main()
