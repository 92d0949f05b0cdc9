"""Judged questions on disk, and how an order of documents is scored."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from attrs import frozen

Judgements = Mapping[str, Mapping[str, int]]  # question → document → gain


@frozen(kw_only=True)
class JudgedSet:
    """A corpus with questions and judgements, in the layout of BEIR."""

    name: str
    documents: Mapping[str, tuple[str, str]]  # id → title, text; empty ones are left out
    questions: Mapping[str, str]  # only those that somebody judged
    judgements: Judgements


@frozen(kw_only=True)
class Gold:
    """Where the answer to a question stands: on a page, or at code points of a text."""

    file: str
    page: int | None = None  # from 1
    char_from: int | None = None
    char_to: int | None = None


@frozen(kw_only=True)
class GoldQuestion:
    """A question about one of several files."""

    text: str
    gold: tuple[Gold, ...]


@frozen(kw_only=True)
class GoldSet:
    """Files, and questions whose answers' places are known."""

    name: str
    files: tuple[Path, ...]
    questions: tuple[GoldQuestion, ...]


def judged_sets(folder: Path) -> dict[str, Path]:
    """Every folder below that holds `corpus.jsonl`, by its name."""
    return {path.parent.name: path.parent for path in sorted(folder.rglob("corpus.jsonl"))}


def gold_sets(folder: Path) -> dict[str, Path]:
    """Every folder below that holds `questions.jsonl` and `documents`, by its name."""
    found = sorted(folder.rglob("questions.jsonl"))
    return {path.parent.name: path.parent for path in found if (path.parent / "documents").is_dir()}


def questions(folder: Path) -> list[str]:
    """All that the sets below ask, each once."""
    judged = (read_judged(path).questions.values() for path in judged_sets(folder).values())
    gold = ((question.text for question in read_gold(path).questions) for path in gold_sets(folder).values())
    return list(dict.fromkeys(chain.from_iterable((*judged, *gold))))


def read_judged(path: Path) -> JudgedSet:
    """Judgements are those of `qrels/test.tsv`."""
    judgements: dict[str, dict[str, int]] = {}
    for line in (path / "qrels" / "test.tsv").read_text("utf-8").splitlines()[1:]:
        question, document, gain = line.split("\t")
        judgements.setdefault(question, {})[document] = int(gain)
    documents = {row["_id"]: (row.get("title") or "", row.get("text") or "") for row in _lines(path / "corpus.jsonl")}
    return JudgedSet(
        name=path.name,
        documents={key: both for key, both in documents.items() if any(part.strip() for part in both)},
        questions={row["_id"]: row["text"] for row in _lines(path / "queries.jsonl") if row["_id"] in judgements},
        judgements=judgements,
    )


def read_gold(path: Path) -> GoldSet:
    """Questions without evidence are left out."""
    questions = [
        GoldQuestion(
            text=row["question"],
            gold=tuple(
                Gold(
                    file=each["doc"],
                    page=each.get("page"),
                    char_from=each.get("char_start"),
                    char_to=each.get("char_end"),
                )
                for each in row["evidence"]
            ),
        )
        for row in _lines(path / "questions.jsonl")
        if row.get("evidence") and not row.get("is_impossible")
    ]
    return GoldSet(
        name=path.name,
        files=tuple(sorted(file for file in (path / "documents").iterdir() if file.is_file())),
        questions=tuple(questions),
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def ndcg(order: Sequence[str], gains: Mapping[str, int], at: int) -> float:
    """Normalised discounted cumulative gain of the first `at` (Järvelin and Kekäläinen, 2002), 0 to 1."""
    best = sorted((gain for gain in gains.values() if gain > 0), reverse=True)[:at]
    ideal = sum(gain / math.log2(place + 2) for place, gain in enumerate(best))
    got = sum(max(gains.get(document, 0), 0) / math.log2(place + 2) for place, document in enumerate(order[:at]))
    return got / ideal if ideal else 0.0


def recall(order: Sequence[str], gains: Mapping[str, int], at: int) -> float:
    """Share of the relevant documents among the first `at`."""
    relevant = {document for document, gain in gains.items() if gain > 0}
    return len(relevant.intersection(order[:at])) / len(relevant) if relevant else 0.0
