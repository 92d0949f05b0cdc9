"""Logs: one event a line, as JSON or for a terminal, ours and the libraries' alike, on standard error.

Secrets, passwords and document text are never logged; a processor masks what looks like one by its name. Our own
lines do not go through the standard library, which would cost more than all that is in them.
"""

import json
import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, TextIO

import msgspec
import structlog

_SECRET_WORDS: Final = ("password", "secret", "token", "api_key", "authorization", "cookie")
_QUIET: Final = ("httpx", "httpcore", "httpx2", "urllib3", "alembic.runtime.migration", "uvicorn")


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every fact that is named like a secret."""
    for name in event:
        if _is_secret(name) and not isinstance(event[name], int | float | None):
            event[name] = "********"
    return event


@lru_cache(1024)
def _is_secret(name: str) -> bool:
    lower = name.lower()
    return any(word in lower for word in _SECRET_WORDS)


def _as_json(event: Any, **_: Any) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=repr).decode()
    except (OverflowError, TypeError, UnicodeEncodeError):  # large integers, odd keys, halves of characters
        return json.dumps(event, default=repr)


class Lines:
    """Writes lines; what cannot be written is lost, and nobody's request with it."""

    def __init__(self, file: TextIO, name: str = "") -> None:
        self.name = name
        self._file = file

    def msg(self, line: str) -> None:
        """One line, in one piece."""
        with suppress(OSError, ValueError):
            self._file.write(line + "\n")
            self._file.flush()

    debug = info = warning = error = critical = exception = msg


def configure_logging(*, log_format: str | None, level: str) -> None:
    """Set up logging for this process; `log_format` None: `console` on a terminal, else `json`."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        mask_secrets,
    ]
    console = (log_format or ("console" if sys.stderr.isatty() else "json")) == "console"
    last: list[structlog.types.Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                timestamp_key="time",
                colors=sys.stderr.isatty(),
                # a rich one draws the values of local variables, and they may be anything
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_as_json)]
    )
    file = sys.stderr
    structlog.configure(
        processors=[*shared, *last],
        logger_factory=lambda *names: Lines(file, *names[:1]),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(file)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared[:-1], structlog.stdlib.ExtraAdder(), mask_secrets],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
