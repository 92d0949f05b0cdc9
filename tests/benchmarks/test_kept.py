"""Rows of an evaluation that is taken up again."""

from pathlib import Path

from benchmarks.kept import KeptRows, Row, markdown


def row(name: str, hybrid: float, sample: int | None = None) -> Row:
    return {"set": name, "documents": 3, "questions": 2, "sample": sample, "hybrid": {"ndcg": hybrid, "recall": 1.0}}


def test_rows_are_there_again(tmp_path: Path) -> None:
    """With as many questions only; a set that is measured anew takes its own place."""
    path = tmp_path / "rows.json"
    rows = KeptRows(path)
    rows.put(row("small", 0.5, sample=10))
    rows.put(row("large", 0.6))
    rows.put(row("small", 0.7))

    again = KeptRows(path)

    assert again.find("small", None) == row("small", 0.7)
    assert again.find("small", 10) is None
    assert [each["set"] for each in again.rows] == ["small", "large"]


def test_a_table() -> None:
    """One line a set below the heading."""
    assert markdown([row("small", 0.5)], ["hybrid"]).splitlines()[2:] == ["| small | 3 | 2 | 0.500 / 1.000 |"]
