"""Phrases in quotation marks."""

import pytest

from domain.phrases import holds_all, is_nothing_else, phrases


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('what is "net income" in 2024', ("net income",)),
        ("“Net  Income” and „Reingewinn“ and «bénéfice net»", ("net income", "reingewinn", "bénéfice net")),
        ('an open "mark', ()),
        ('nothing in "" or "?!"', ()),
        ("it's the team's", ()),
        ('a 5" pipe and a 6" valve', ()),
    ],
)
def test_phrases_of_a_question(query: str, expected: tuple[str, ...]) -> None:
    """Every pair of quotation marks holds a phrase; one that stands alone means nothing."""
    assert expected == phrases(query)


@pytest.mark.parametrize(
    ("text", "phrase", "expected"),
    [
        ("The NET\n  income rose.", "net income", True),
        ("Income, net of tax", "net income", False),
        ("the category", "cat", False),
        ("the category and the cat", "cat", True),
        ("(ERR_42)", "err_42", True),
        ("深度学习模型需要大量数据", "学习模型", True),
        ("ﬁnal report", "final report", True),
    ],
)
def test_a_phrase_stands_in_a_text(text: str, phrase: str, *, expected: bool) -> None:
    """Case and white space do not count; the borders of words do, where a script has them."""
    assert expected is holds_all(text, (phrase,))


def test_every_phrase_is_wanted() -> None:
    """One of two is not enough, and no phrase asks nothing."""
    assert not holds_all("alpha", ("alpha", "beta"))
    assert holds_all("alpha", ())


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('"net income"', True),
        (" “net income” — „Reingewinn“! ", True),
        ('"net income" 2024', False),
        ("net income", False),
        ('"?!"', False),
    ],
)
def test_a_query_of_phrases_alone(query: str, *, expected: bool) -> None:
    """Signs between phrases ask for nothing; words and numbers do."""
    assert expected is is_nothing_else(query)
