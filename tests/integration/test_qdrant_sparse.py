"""Sparse vectors: what finds what, and in which language."""

import pytest

from adapters.qdrant.languages import language_of
from adapters.qdrant.sparse import Sparse, identifiers, sparse_of_passage, sparse_of_question
from adapters.qdrant.terms import folded, words


def overlap(passage: str, question: str, *, written_in: str | None = None, asked_in: str | None = None) -> float:
    """The score without idf."""
    weights = sparse_of_passage(passage, written_in)
    asked = sparse_of_question(question, asked_in)
    stored = dict(zip(weights.indices, weights.values, strict=True))
    return sum(value * stored.get(index, 0.0) for index, value in zip(asked.indices, asked.values, strict=True))


@pytest.mark.parametrize(
    ("passage", "question"),
    [
        ("Customers who cancelled are refunded", "what about cancelling?"),
        ("Die Verträge werden gekündigt und das ist so", "der Vertrag wird"),
        ("深度学习模型需要大量数据", "学习"),
        ("東京は日本の首都です", "首都"),
        ("the pump VA004 leaks", "va004"),
        ("it fails with ERR_42 at once", "ERR_42"),
        ("released as v2.3.1 in May", "v2.3.1"),
        ("the code is written in C++", "C++"),
        ("founded in 1994 by two", "1994"),
        ("किताबें मेज़ पर हैं", "किताब"),
        ("المكتبة الكبيرة في المدينة", "مكتبة"),
        ("أَحْمَد كتب الرسالة", "احمد"),
        ("kitaplar İstanbul'da", "istanbul"),
        ("Η Αθήνα είναι πρωτεύουσα", "ΑΘΗΝΑ"),  # noqa: RUF001
        ("Cafés in Paris", "cafe"),
        ("대한민국의 수도는 서울이다", "서울"),
        ("ວຽງຈັນເປັນນະຄອນຫຼວງຂອງລາວ", "ວຽງຈັນ"),
        ("ｉＰｈｏｎｅ の値段", "iphone"),  # noqa: RUF001
        ("የኢትዮጵያ ዋና ከተማ", "ከተማ"),
        ("antibodies against IL6", "IL-6"),
        ("an e-mail was sent", "email"),
        ("Renault und Peugeot sind Hersteller", "how does Peugeot do it?"),
    ],
)
def test_is_found(passage: str, question: str) -> None:
    """A question shares tokens with the passage that answers it, without either language being told."""
    assert overlap(passage, question) > 0


def test_identifiers_are_exact() -> None:
    """A neighbour's number scores less than the number that is meant."""
    assert overlap("ERR_42 was raised", "ERR_42") > overlap("ERR_43 was raised", "ERR_42")


def test_a_stem_of_the_named_language() -> None:
    """The language that is given decides, in whatever form it comes."""
    assert overlap("Verträgen", "Vertrag", written_in="de-AT", asked_in="DE") > 0
    assert overlap("Kinder", "Kind", written_in="de", asked_in="de") > 0
    assert overlap("Kinder", "Kind", written_in="tlh", asked_in=None) == 0


def test_what_a_question_comes_back_to() -> None:
    """A long question is about the word that it repeats, however inflected; ten times is not ten times as much."""
    asked = "Libraries buy books. Which library lends a magazine, and how are libraries paid for magazines?"

    assert overlap("the library is large", asked) > overlap("the book is large", asked)
    assert overlap("a magazine", "magazine " * 10) < 4 * overlap("a magazine", "magazine")


def test_words_that_stand_together() -> None:
    """Neighbours in their order come before the same words apart or turned round; stop words do not part them."""
    together = overlap("the bank of the river floods", "river bank of the river floods")
    apart = overlap("the bank floods the river", "river bank of the river floods")

    assert overlap("a heat transfer to walls", "heat transfer") > overlap("a transfer to heat walls", "heat transfer")
    assert together > apart


def test_a_pair_weighs_less_than_a_word() -> None:
    """Whoever asks for three words is better served by all of them apart than by two of them side by side."""
    assert overlap("walls lose heat by transfer", "heat transfer walls") > overlap(
        "heat transfer", "heat transfer walls"
    )


@pytest.mark.parametrize("text", ["", "?!", "the of and"])
def test_nothing_to_look_for(text: str) -> None:
    """A question without words is empty, and none has a token twice."""
    assert sparse_of_question(text, "en").indices == []


def test_no_token_twice() -> None:
    """An engine refuses a vector that names a token twice."""
    for sparse in (sparse_of_passage("run running ERR_42 err 42 run", None), sparse_of_question("run running", None)):
        assert len(sparse.indices) == len(set(sparse.indices)) == len(sparse.values)


def test_identifiers() -> None:
    """Names with marks or digits, whole and by their numbers; plain and hyphenated words are none."""
    assert identifiers("Set max_size in v2.3.1, see well-known RFC-9110.") == "max_size v2.3.1 RFC-9110 9110"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is the notice period of this contract?", "en"),
        ("Wie lang ist die Kündigungsfrist in diesem Vertrag?", "de"),
        ("¿Cuál es el plazo de este contrato?", "es"),
        ("Quel est le délai de ce contrat ?", "fr"),
        ("Каков срок этого договора?", "ru"),
        ("ما هي مدة العقد؟", "ar"),
        ("合同的期限是多久?", "zh"),
        ("契約の期間はどのくらいですか", "ja"),
        ("VA004", None),
        ("42 + 17", None),
        ("", None),
    ],
)
def test_language_of(text: str, language: str | None) -> None:
    """Scripts and stop words decide; without either nothing is guessed."""
    assert language_of(text) == language


def test_what_stands_around_counts_for_less() -> None:
    """A word of the passage itself outweighs one of its neighbour, which outweighs none."""
    around = "The pelican nests here. Otters swim. The heron waits."
    weights = {
        word: dict(zip(*_both(sparse_of_passage("Otters swim.", "en", around=around)), strict=True)).get(index, 0.0)
        for word in ("otter", "pelican", "walrus")
        for index in sparse_of_question(word, "en").indices[:1]
    }

    assert weights["otter"] > weights["pelican"] > weights["walrus"] == 0


def _both(sparse: Sparse) -> tuple[list[int], list[float]]:
    return sparse.indices, sparse.values


def test_marks_of_a_script_stay_on_their_word() -> None:
    """Vowel signs and viramas do not divide; vowel points, tatweel, nuktas and joiners make no difference."""
    assert [*words("हिन्दी में", "hi")] == ["हिन्दी", "में"]
    assert [*words("كتــاب اَلْعَرَبِيَّة", "ar")] == ["كتاب", "العربية"]
    assert folded("क़लम") == "कलम"
    assert folded("Ünïcödé") == "Unicode"
    assert folded("ภาษาไทย") == "ภาษาไทย"
