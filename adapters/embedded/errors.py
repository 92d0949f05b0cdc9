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


def hint_for(problem: object) -> str:
    """What helps against a problem that the system or an engine told of; "" when nothing is known to."""
    text = str(problem)
    for sign, hint in _HINTS:
        if sign in text:
            return hint
    return ""


_HINTS = (
    ("No space left", "the disk is full"),
    ("Permission denied", "the data directory must be writable"),
    ("Operation not permitted", "run as a normal user to whom the data directory belongs"),
    ("Read-only", "the data directory must be writable"),
    ("Address already in use", "another program listens there; start again"),
    ("could not look up effective user", "give the user of this process a name in /etc/passwd, or set a database URL"),
)
