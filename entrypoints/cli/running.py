"""From a command's arguments to its work: settings, logging, one line for every error, and the exit code."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import httpx
import typer
from attrs import frozen

from adapters.embedded.errors import EngineError
from application.errors import ApplicationError
from domain.errors import DomainError
from entrypoints.cli.backends import Backend, LocalBackend, ServerBackend
from entrypoints.cli.output import FAILED, WRONG_USE, complain, note
from entrypoints.host import Host, open_host
from entrypoints.logging import configure_logging
from entrypoints.serving import CannotListen
from entrypoints.settings import Settings, SettingsError, load_settings

INTERRUPTED: Final = 130
SERVER_KEY: Final = "READINGROOM_API_KEY"

T = TypeVar("T")


@frozen(kw_only=True)
class Invocation:
    """What all commands have in common."""

    config: Path | None
    quiet_logs: bool = True

    def settings(self, **flags: Any) -> Settings:
        """The settings with this command's flags; ends the program with 2 when one is wrong."""
        try:
            return load_settings(self.config, **flags)
        except SettingsError as error:
            for line in error.lines:
                complain(line)
            raise typer.Exit(WRONG_USE) from error


def run(work: Callable[[], Awaitable[T]], settings: Settings, *, log_level: str | None = None) -> T:
    """Run a command's work; known errors become one line and exit code 1, Ctrl-C 130.

    Commands log warnings only, unless the level was set otherwise: what they print is their log.
    """
    configure_logging(log_format=settings.log_format, level=log_level or settings.log_level)
    try:
        return asyncio.run(_cancelled_by_sigterm(work))
    except SettingsError as error:
        _fail("\n".join(error.lines), WRONG_USE)
    except (ApplicationError, DomainError) as error:
        _fail(error.message)
    except (EngineError, CannotListen) as error:
        _fail(str(error))
    except PermissionError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        complain("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None


async def _cancelled_by_sigterm(work: Callable[[], Awaitable[T]]) -> T:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work()


def _fail(line: str, code: int = FAILED) -> NoReturn:
    complain(line)
    raise typer.Exit(code)


@asynccontextmanager
async def backend(
    settings: Settings, *, server: str | None, workspace: str | None, role: str
) -> AsyncIterator[Backend]:
    """Where a command's documents go: `server`, or the use cases in this process with a worker while it lasts."""
    if server is not None:
        key = os.environ.get(SERVER_KEY)
        if not key:
            raise SettingsError([f"{SERVER_KEY}: needed with --server; accepted: an API key or access token"])
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=server, headers=headers, timeout=httpx.Timeout(30, write=600)) as client:
            yield await ServerBackend.connect(client, workspace=workspace)
        return
    async with AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_host(settings, role=role, attach=True))
        yield await local_backend(host, workspace)


async def local_backend(host: Host, workspace: str | None) -> LocalBackend:
    """The use cases of this process, acting as the owner of the workspace that is meant."""
    local = await host.use_cases.act_locally(workspace=workspace)
    if local.chosen_among > 1 and workspace is None:
        note(f"Working in {local.workspace.name} (one of {local.chosen_among} workspaces; choose with --workspace).")
    return LocalBackend(use_cases=host.use_cases, actor=local.actor)
