"""The measures of retrieval, and the reading of judged sets."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from benchmarks.evaluate import families, stands_in
from benchmarks.judged import Gold, judged_sets, ndcg, questions, read_judged, recall
from domain.ids import CollectionId, DocumentId, chunk_id
from domain.passages import Chunk, DocumentRef, Passage


def test_ndcg_of_a_known_order() -> None:
    """One of two relevant documents at the second place: (1/log2 3) / (1 + 1/log2 3)."""
    assert ndcg(["x", "a"], {"a": 1, "b": 1}, 10) == pytest.approx(0.3869, abs=1e-4)
    assert ndcg(["a", "b", "x"], {"a": 1, "b": 1}, 10) == 1.0
    assert ndcg(["x"] * 10 + ["a"], {"a": 1}, 10) == 0.0


def test_recall_counts_relevant_documents_only() -> None:
    """What was judged as of no use is no loss."""
    assert recall(["a", "x"], {"a": 1, "b": 2, "c": 0}, 100) == 0.5


def test_a_set_is_read(tmp_path: Path) -> None:
    """Empty documents and questions that nobody judged are left out."""
    folder = tmp_path / "retrieval" / "small"
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": "1", "title": "T", "text": "words"}, {"_id": "2", "title": "", "text": " "}]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
    (folder / "queries.jsonl").write_text('{"_id": "q", "text": "?"}\n{"_id": "p", "text": "never judged"}\n')
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n")

    read = read_judged(judged_sets(tmp_path)["small"])

    assert {"1": ("T", "words")} == read.documents
    assert {"q": "?"} == read.questions
    assert ["?"] == questions(tmp_path)
    assert {"q": {"1": 1}} == read.judgements


def passage(**places: int | None) -> Passage:
    document = DocumentId(uuid4())
    given: dict[str, Any] = {"char_from": 0, "char_to": 100, "page_from": None, "page_to": None} | places
    return Passage(
        chunk=Chunk(id=chunk_id(document, 1, 0), document_id=document, revision=1, ordinal=0, text="", **given),
        document=DocumentRef(id=document, title="", filename="", media_type="", collection_id=CollectionId(uuid4())),
        score=1.0,
    )


def test_gold_places() -> None:
    """A page counts when the passage touches it, a span when the passage holds half of it."""
    assert stands_in(passage(page_from=3, page_to=4), Gold(file="f", page=4))
    assert not stands_in(passage(page_from=3, page_to=4), Gold(file="f", page=5))
    assert stands_in(passage(), Gold(file="f", char_from=90, char_to=110))
    assert not stands_in(passage(), Gold(file="f", char_from=95, char_to=110))


def test_families_have_several_members() -> None:
    """Sets that differ after the last hyphen belong together."""
    assert {"wiki": ["wiki-de", "wiki-en"]} == families(["wiki-de", "wiki-en", "other-en", "plain"])
