"""The command `readingroom`."""

from entrypoints.cli.app import main

__all__ = ["main"]
