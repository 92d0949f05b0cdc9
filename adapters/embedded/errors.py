"""What goes wrong with embedded engines.

::

    EngineError
    ├── EngineFailed         an engine could not be prepared or started, or does not stay up
    └── DataDirectoryInUse   another process owns the data directory
"""

from pathlib import Path


class EngineError(Exception):
    """Base; its text is one line for a person."""


class EngineFailed(EngineError):
    """`engine` names it, `message` says what happened, `hint` what helps ("" when nothing is known to)."""

    def __init__(self, engine: str, message: str, hint: str = "") -> None:
        super().__init__(f"{engine}: {message}" + (f" ({hint})" if hint else ""))
        self.engine = engine
        self.message = message
        self.hint = hint


class DataDirectoryInUse(EngineError):
    """Process `pid` holds `path`; it is None while the owner has not yet written it down."""

    def __init__(self, pid: int | None, path: Path, role: str = "") -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(f"The data directory {path} is in use by {owner}" + (f" ({role})" if role else ""))
        self.pid = pid
        self.path = path
        self.role = role
