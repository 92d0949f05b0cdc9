"""How well searches find: judged questions through the whole pipeline.

``python -m benchmarks.evaluate FOLDER [--sets NAME …] [--sample N] [--json FILE] [--table FILE]
[--data-dir DIR]``

Every document is uploaded, read, cut, embedded and indexed by an installation in a temporary folder (or in DIR, where
it stays), every question asked through the search use case. Judged sets (BEIR's layout: `corpus.jsonl`,
`queries.jsonl`, `qrels/test.tsv`) give nDCG@10 and recall@100 of documents with one passage a document. Several sets
of one family (`xquad-en`, `xquad-de`, …) are also asked in all their collections together. Question sets with gold
places (`questions.jsonl` beside `documents/`) give the share of questions whose gold page or passage is among the
first five passages, among all files and within the right one; with `--answers` they are asked, and their answers'
citations are judged instead (see `benchmarks.evaluate_answers`).

With `--data-dir` and `--json` it may be stopped and called again, for some of the sets or for all: what stands in DIR
is not read again, and what stands in FILE with as many questions is not asked again.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from attrs import define, field

from benchmarks.installation import AT_ONCE, Corpus, Installation, Item, installation
from benchmarks.judged import (
    Gold,
    GoldQuestion,
    GoldSet,
    JudgedSet,
    gold_sets,
    judged_sets,
    ndcg,
    read_gold,
    read_judged,
    recall,
)
from benchmarks.kept import KeptRows, Row, markdown
from domain.passages import Passage, SearchMode

MODES = (SearchMode.SEMANTIC, SearchMode.KEYWORD, SearchMode.HYBRID)
GAIN_AT, RECALL_AT, FIRST = 10, 100, 5
SLACK = 0.01  # hybrid may be this much worse than its better half

T = TypeVar("T")
R = TypeVar("R")


async def side_by_side(work: Callable[[T], Awaitable[R]], values: Sequence[T]) -> list[R]:
    """The results in order, some at a time."""
    free = asyncio.Semaphore(AT_ONCE)

    async def one(value: T) -> R:
        async with free:
            return await work(value)

    return list(await asyncio.gather(*(one(value) for value in values)))


def sampled(values: Sequence[T], size: int | None) -> list[T]:
    """The same ones every time."""
    if size is None or len(values) <= size:
        return list(values)
    return random.Random(1).sample(list(values), size)  # noqa: S311 - a fixed sample


def items(judged: JudgedSet) -> Iterator[Item]:
    """Each document as a text file: its title, an empty line, its text."""
    for key, (title, text) in judged.documents.items():
        content = "\n\n".join(part for part in (title, text) if part.strip())
        yield Item(key=key, filename=f"{key}.txt", title=title[:200] or None, content=content.encode())


async def judge(where: Installation, name: str, parts: Sequence[tuple[JudgedSet, Corpus]], sample: int | None) -> Row:
    """Ask every question in all the corpora; a document counts for its own set's questions only."""
    keys = {document: f"{judged.name}/{key}" for judged, corpus in parts for document, key in corpus.documents.items()}
    asked = [
        (text, {f"{judged.name}/{key}": gain for key, gain in judged.judgements[question].items()})
        for judged, _ in parts
        for question, text in sampled(list(judged.questions.items()), sample)
    ]
    corpora = [corpus for _, corpus in parts]
    row: Row = {"set": name, "documents": len(keys), "questions": len(asked)}
    for mode in MODES:

        async def score(each: tuple[str, dict[str, int]], mode: SearchMode = mode) -> tuple[float, float]:
            question, gains = each
            found = await where.find(question, mode, corpora, limit=RECALL_AT, max_per_document=1)
            order = [keys[passage.document.id] for passage in found]
            return ndcg(order, gains, GAIN_AT), recall(order, gains, RECALL_AT)

        scores = await side_by_side(score, asked)
        row[mode.value] = {
            "ndcg@10": round(statistics.mean(gain for gain, _ in scores), 4),
            "recall@100": round(statistics.mean(share for _, share in scores), 4),
        }
    better = max(row["semantic"]["ndcg@10"], row["keyword"]["ndcg@10"])
    row["under_better_half"] = round(better - row["hybrid"]["ndcg@10"], 4)
    return row


def stands_in(passage: Passage, gold: Gold) -> bool:
    """Whether the passage is on the gold page, or holds at least half of the gold text."""
    if gold.page is not None:
        chunk = passage.chunk
        return chunk.page_from is not None and chunk.page_from <= gold.page <= (chunk.page_to or chunk.page_from)
    if gold.char_from is None or gold.char_to is None:
        return False
    shared = min(passage.chunk.char_to, gold.char_to) - max(passage.chunk.char_from, gold.char_from)
    return 2 * shared >= gold.char_to - gold.char_from


async def look_up(where: Installation, golds: GoldSet, corpus: Corpus, sample: int | None) -> Row:
    """Share of questions with a gold place among the first passages, among all files and in the right one."""
    names = corpus.documents
    ids = {name: document for document, name in names.items()}
    asked = [each for each in sampled(golds.questions, sample) if any(gold.file in ids for gold in each.gold)]
    row: Row = {"set": golds.name, "documents": len(ids), "questions": len(asked)}
    for mode in MODES:

        async def found(question: GoldQuestion, mode: SearchMode = mode) -> tuple[bool, bool]:
            hits = []
            for within in (None, ids[next(gold.file for gold in question.gold if gold.file in ids)]):
                passages = await where.find(question.text, mode, [corpus], limit=FIRST, document=within)
                hits.append(
                    any(
                        names[passage.document.id] == gold.file and stands_in(passage, gold)
                        for passage in passages
                        for gold in question.gold
                    )
                )
            return hits[0], hits[1]

        hits = await side_by_side(found, asked)
        row[mode.value] = {
            "among_all": round(statistics.mean(anywhere for anywhere, _ in hits), 4),
            "in_document": round(statistics.mean(within for _, within in hits), 4),
        }
    return row


def families(names: Sequence[str]) -> dict[str, list[str]]:
    """Sets that differ after the last hyphen only, where there are several."""
    found: dict[str, list[str]] = {}
    for name in names:
        family, hyphen, _ = name.rpartition("-")
        if hyphen:
            found.setdefault(family, []).append(name)
    return {family: members for family, members in found.items() if len(members) > 1}


def show(row: Row) -> None:
    """One line a set."""
    cells = "  ".join(
        f"{mode.value} " + " ".join(f"{value:.3f}" for value in row[mode.value].values()) for mode in MODES
    )
    note = f"  {row['under_better_half']:.3f} under" if row.get("under_better_half", 0) > SLACK else ""
    print(f"{row['set']:14} {row['documents']:6} {row['questions']:5}  {cells}{note}", flush=True)


@define
class Evaluation:
    """Sets in an installation, one after the other."""

    where: Installation
    kept: KeptRows
    sample: int | None
    filled: dict[str, tuple[JudgedSet, Corpus]] = field(factory=dict)

    def is_known(self, name: str) -> bool:
        """Whether it was measured before, with as many questions."""
        return self.kept.find(name, self.sample) is not None

    async def fill(self, path: Path) -> None:
        """Have a judged set's documents in their collection."""
        read = read_judged(path)
        self.filled[path.name] = read, await self.where.fill(path.name, items(read))

    async def ask(self, name: str, members: Sequence[str]) -> None:
        """The questions of judged sets, in all their collections."""
        if self.is_known(name):
            return
        began, parts = time.perf_counter(), [self.filled[member] for member in members]
        row = await judge(self.where, name, parts, self.sample)
        self._keep(row, [corpus for _, corpus in parts], began)

    async def look_up(self, path: Path) -> None:
        """A question set with gold places."""
        if self.is_known(path.name):
            return
        golds = read_gold(path)
        files = (Item(key=p.name, filename=p.name, title=None, content=p.read_bytes()) for p in golds.files)
        corpus = await self.where.fill(path.name, files)
        began = time.perf_counter()
        self._keep(await look_up(self.where, golds, corpus, self.sample), [corpus], began)

    def mean(self, names: Sequence[str]) -> float:
        """Of hybrid nDCG@10."""
        return statistics.mean(float(row["hybrid"]["ndcg@10"]) for row in self.kept.rows if row["set"] in names)

    def _keep(self, row: Row, corpora: Sequence[Corpus], began: float) -> None:
        row |= {
            "sample": self.sample,
            "refused": sum(len(corpus.refused) for corpus in corpora),
            "ingest_seconds": round(sum(corpus.seconds for corpus in corpora), 1),
            "search_seconds": round(time.perf_counter() - began, 1),
        }
        self.kept.put(row)
        show(row)


async def evaluate(options: argparse.Namespace, data_dir: Path) -> list[Row]:
    """Fill and ask one set after the other, then whole families."""
    judged, golds = judged_sets(options.folder), gold_sets(options.folder)
    wanted = options.sets or [*judged, *golds]
    if strange := sorted(set(wanted) - {*judged, *golds}):
        raise SystemExit(f"{options.folder} holds no set called {', '.join(strange)}")
    together = families([name for name in wanted if name in judged])
    in_families = {member for members in together.values() for member in members}
    kept = KeptRows(options.json)
    async with installation(data_dir) as where:
        evaluation = Evaluation(where, kept, options.sample)
        print("set        documents asked  nDCG@10 recall@100 (judged), among all / in document (gold places)")
        for name in wanted:
            if name in golds:
                await evaluation.look_up(golds[name])
            elif name in in_families or not evaluation.is_known(name):
                await evaluation.fill(judged[name])
                await evaluation.ask(name, [name])
        for family, members in together.items():
            await evaluation.ask(f"{family}-together", members)
            print(f"{family}: mean of hybrid over {len(members)} sets {evaluation.mean(members):.4f}")
    if options.table:
        options.table.write_text(markdown(kept.rows, [mode.value for mode in MODES]), encoding="utf-8")
    return kept.rows


def main() -> int:
    """0 when every set was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--sample", type=int, metavar="N", help="at most N questions of each set, always the same")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="keep the numbers there; what it holds is not asked again"
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="write all that was kept there, as Markdown")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="keep the installation, and use it again")
    parser.add_argument("--answers", action="store_true", help="judge the answers to questions with gold places")
    options = parser.parse_args()
    if options.answers:
        from benchmarks.evaluate_answers import evaluate_answers as measure  # which builds on this module
    else:
        measure = evaluate
    with tempfile.TemporaryDirectory(prefix="rr-evaluate-") as temporary:
        rows = asyncio.run(measure(options, options.data_dir or Path(temporary)))
    if options.answers and options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
