"""Which words answer to a query."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.highlights import highlights


@pytest.mark.parametrize(
    ("text", "query", "marked"),
    [
        ("The Cats ran home.", "cat", ["Cats"]),
        ("running runs ran", "run", ["running", "runs"]),
        ("Un élève au café", "eleve CAFE", ["élève", "café"]),
        ("Stored vectors and embeddings", "embed vector", ["vectors", "embeddings"]),
        ("photosynthesis", "photo", ["photosynthesis"]),
        ("what is the answer", "what is the question", []),
        ("to be or not", "to be", ["to be"]),
        ("東京都の天気は晴れ", "東京の天気", ["東京", "の天気"]),
        ("ภาษาไทยง่าย", "ภาษาไทย", ["ภาษาไทย"]),
        ("यह किताब अच्छी है", "किताब", ["किताब"]),
        ("Ошибка в файле", "ошибка", ["Ошибка"]),
        ("am \uff21\uff22\uff23, Straße", "abc strasse", ["\uff21\uff22\uff23", "Straße"]),  # of full width
        ("\U0001d407\U0001d41e\U0001d42b ran", "her", ["\U0001d407\U0001d41e\U0001d42b"]),  # bold, as in formulas
        ("nothing here", "xyz", []),
        ("", "word", []),
        ("word", "", []),
    ],
)
def test_the_words_of_the_query_are_marked(text: str, query: str, marked: list[str]) -> None:
    """Without regard to case, accents and common endings, in any script."""
    found = [text[a:b] for a, b in highlights(text, query)]

    assert [word for span in found for word in span.split()] == [word for span in marked for word in span.split()]


@given(st.text(max_size=200), st.text(max_size=100))
def test_ranges_ascend_and_are_disjoint(text: str, query: str) -> None:
    """Whatever is asked of whatever text."""
    found = highlights(text, query)

    assert all(0 <= a < b <= len(text) for a, b in found)
    assert all(first[1] < second[0] for first, second in pairwise(found))


@given(st.text(alphabet="abcdefgh 東京", min_size=1, max_size=60))
def test_a_text_answers_to_itself(text: str) -> None:
    """A query that is the text marks something whenever there is a word."""
    assert bool(highlights(text, text)) == bool(text.strip())


@given(st.text(alphabet="abCd12 _-.", max_size=80), st.text(alphabet="abcD12 _", max_size=30))
def test_plain_english_is_no_other_text(text: str, query: str) -> None:
    """What is marked in ASCII is what is marked in the same text beside a letter that is not."""
    assert highlights(text, query) == highlights(f"{text} \N{CYRILLIC SMALL LETTER ZHE}", query)


def test_a_very_long_query_is_quick() -> None:
    """Ten thousand characters of query cost milliseconds."""
    query = " ".join(f"w{'x' * (n % 60)}{n}" for n in range(1, 400))[:10_000]
    text = ("some ordinary words of text " * 80)[:2000]
    started = time.perf_counter()
    highlights(text, query)

    assert time.perf_counter() - started < 0.2
