"""`readingroom migrate` and `config`."""

from adapters.embedded.addresses import Engine
from adapters.embedded.engines import EmbeddedEngines
from adapters.postgres import migrations
from adapters.postgres.migrations import SchemaState
from entrypoints.cli.doctor import told
from entrypoints.cli.output import complain, out, print_json
from entrypoints.host import open_host
from entrypoints.settings import Settings, effective, unknown_variables


async def schema_state(settings: Settings) -> SchemaState:
    """How the database stands; an embedded one is started, or found, for the look."""
    if settings.database_url is not None:
        return await migrations.check(settings.database_url)
    async with EmbeddedEngines.open(
        settings.data_dir, need=frozenset({Engine.POSTGRES}), role="migrate", attach=True
    ) as engines:
        return await migrations.check(engines.database_url)


def is_revision(name: str) -> bool:
    """Whether the schema can be brought to it."""
    return name in {"head", "base"} or name in migrations.revisions()


async def migrate(settings: Settings, revision: str) -> tuple[SchemaState, str | None]:
    """Bring the schema to `revision`; at the newest one the vector index is prepared too. How both stand then."""
    if settings.database_url is not None:
        state = await _to(settings.database_url, revision)
    else:
        async with EmbeddedEngines.open(
            settings.data_dir, need=frozenset({Engine.POSTGRES}), role="migrate", attach=True
        ) as engines:
            state = await _to(engines.database_url, revision)
    if revision != "head":
        return state, None
    async with open_host(settings, role="migrate") as host:  # opening prepares the vector index
        return state, told(await host.use_cases.show_index())


async def _to(url: str, revision: str) -> SchemaState:
    state = await migrations.check(url)
    if revision == "head" or revision in state.pending:
        await migrations.upgrade(url, revision)
    else:
        await migrations.downgrade(url, revision)
    return await migrations.check(url)


def schema_view(state: SchemaState) -> dict[str, object]:
    """The present revision and what is pending, as JSON."""
    return {
        "current": state.current,
        "head": state.head,
        "pending": list(state.pending),
        "is_current": state.is_current,
    }


def print_schema(state: SchemaState, *, as_json: bool) -> None:
    """The present revision and what is pending."""
    if as_json:
        print_json(schema_view(state))
    elif state.is_current:
        out.print(f"The schema is current ({state.head}).")
    elif state.unknown:
        complain(f"The schema {state.current} was made by a newer version; this one knows {state.head}.")
    else:
        complain(f"The schema is at {state.current or 'nothing'}; pending: {', '.join(state.pending)}.")


def print_settings(settings: Settings, *, as_json: bool) -> None:
    """Every variable with its effective value."""
    shown = effective(settings)
    if as_json:
        print_json(shown)
    else:
        width = max(map(len, shown))
        for name, value in shown.items():
            written = "(unset)" if value is None else ",".join(value) if isinstance(value, list) else value
            out.print(f"{name:<{width}}  {written}", markup=False)
    for name in unknown_variables():
        complain(f"{name} is set but means nothing; misspelt?")
