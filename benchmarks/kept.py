"""Rows of an evaluation in a file, so that a long one may be taken up again set by set."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

Row = dict[str, Any]


@define
class KeptRows:
    """Rows by the set that they are about, written to `path` with each change where there is one."""

    path: Path | None
    rows: list[Row] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            self.rows = json.loads(self.path.read_text("utf-8"))

    def find(self, name: str, sample: int | None) -> Row | None:
        """The row of a set that was measured with so many questions at most; None means all."""
        return next((row for row in self.rows if (row["set"], row.get("sample")) == (name, sample)), None)

    def put(self, row: Row) -> None:
        """Keep it, in the place of another of the same set."""
        names = [each["set"] for each in self.rows]
        if row["set"] in names:
            self.rows[names.index(row["set"])] = row
        else:
            self.rows.append(row)
        if self.path is not None:
            self.path.write_text(json.dumps(self.rows, indent=1) + "\n", encoding="utf-8")


def markdown(rows: Sequence[Row], modes: Sequence[str]) -> str:
    """A table: each mode's two figures, nDCG@10 / recall@100, or among all files / in the right one."""
    lines = [f"| set | documents | questions | {' | '.join(modes)} |", f"| --- | --- | --- |{' --- |' * len(modes)}"]
    for row in rows:
        cells = [" / ".join(f"{value:.3f}" for value in row[mode].values()) for mode in modes]
        lines.append(f"| {row['set']} | {row['documents']} | {row['questions']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
