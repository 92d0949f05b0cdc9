"""From a command's arguments to its work: settings, logging, one line for every error, and the exit code."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import typer
from attrs import frozen

from adapters.embedded.errors import EngineError
from application.errors import ApplicationError
from domain.errors import DomainError
from entrypoints.cli.output import FAILED, WRONG_USE, complain
from entrypoints.logging import configure_logging
from entrypoints.settings import Settings, SettingsError, load_settings

INTERRUPTED: Final = 130

T = TypeVar("T")


@frozen(kw_only=True)
class Invocation:
    """What all commands have in common."""

    config: Path | None

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

    `log_level`, for commands that print their results, takes the place of the setting.
    """
    configure_logging(log_format=settings.log_format, level=log_level or settings.log_level)
    try:
        return asyncio.run(_cancelled_by_sigterm(work))
    except SettingsError as error:
        _fail("\n".join(error.lines), WRONG_USE)
    except (ApplicationError, DomainError) as error:
        _fail(error.message)
    except EngineError as error:
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
