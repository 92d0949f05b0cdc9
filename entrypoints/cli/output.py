"""What commands print: results on standard output, everything else on standard error."""

import json
import sys
from typing import Any, Final

from rich.console import Console
from typer.core import TyperGroup

GOOD: Final = 0
FAILED: Final = 1
WRONG_USE: Final = 2
_WHOLE: Final = 500  # characters; more than any summary has

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class WholeSummaries(TyperGroup):
    """A group whose help wraps the summaries of its commands, where the stock one cuts them short."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the section of commands; the types of both arguments are private to typer."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in found if command and not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def print_json(value: Any) -> None:
    """One JSON document, for programs."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def complain(line: str) -> None:
    """One line on standard error."""
    err.print(line, style="red", markup=False)


def note(line: str) -> None:
    """One quiet line on standard error."""
    err.print(line, style="dim", markup=False)


def pages(page_from: int | None, page_to: int | None) -> str:
    """`p. 3`, `pp. 3-4`, or nothing for formats without pages."""
    if page_from is None:
        return ""
    return f"p. {page_from}" if page_to in {None, page_from} else f"pp. {page_from}-{page_to}"
