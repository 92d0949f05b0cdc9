"""The secret from which each engine's password comes."""

import hmac
import os
import secrets
from pathlib import Path


class EngineSecret:
    """32 random bytes, kept in a file that only its owner may read."""

    def __init__(self, value: bytes) -> None:
        self._value = value

    @classmethod
    def load_or_create(cls, path: Path) -> "EngineSecret":
        """The secret in `path`; a new one where there is none. Call it as the directory's only owner."""
        try:
            return cls(bytes.fromhex(path.read_text(encoding="ascii")))
        except (FileNotFoundError, ValueError):
            value = secrets.token_bytes(32)
        partial = path.with_name(f"{path.name}.partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(value.hex())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        return cls(value)

    def password(self, engine: str) -> str:
        """64 hexadecimal digits, the same at every start."""
        return hmac.digest(self._value, engine.encode(), "sha256").hex()
