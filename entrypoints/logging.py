"""Logs: one event a line, as JSON or for a terminal, ours and the libraries' alike, on standard error.

Secrets, passwords and document text are never logged; a processor masks what looks like one by its name.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_SECRET_WORDS: Final = ("password", "secret", "token", "api_key", "authorization", "cookie")
_QUIET: Final = ("httpx", "httpcore", "httpx2", "urllib3", "alembic.runtime.migration", "uvicorn")


def mask_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the value of every fact that is named like a secret."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS) and not isinstance(event[name], int | float | None):
            event[name] = "********"
    return event


def configure_logging(*, log_format: str | None, level: str) -> None:
    """Set up logging for this process; `log_format` None: `console` on a terminal, else `json`."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
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
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
