"""Which questions are read with those before."""

import pytest

from domain.follow_ups import MOST, points_back, read_along


@pytest.mark.parametrize(
    "question",
    [
        "And the second one?",
        "How do I add a key to it?",
        "Which cmdlet changes it?",
        "Why?",
        "And freeze?",
        "What about Germany?",
        "Und der zweite?",
        "Wie lange gilt das?",
        "Et la deuxième ?",
        "¿Y el segundo?",
        "为什么?",
        "",
    ],
)
def test_what_points_back(question: str) -> None:
    """Pronouns, beginnings that go on, and hardly any words of its own."""
    assert points_back(question)


@pytest.mark.parametrize(
    "question",
    [
        "How do I create an empty array?",
        "What is the notice period?",
        "Wie lang ist die Kündigungsfrist?",
        "Combien de jours de vacances ?",
        "Какая температура кипения воды?",
        "水在多少度的时候会沸腾?",
        "notice period",
        "Is there a limit on holiday that was not taken in the last year?",
    ],
)
def test_what_stands_for_itself(question: str) -> None:
    """However short it is."""
    assert not points_back(question)


def test_follow_ups_of_follow_ups_are_read_with_what_began_them() -> None:
    """Back to a question that stands for itself, and not further than a few."""
    talk = ["What is the boiling point of lead?", "What is a hash table?", "How is a key added to it?"]

    assert read_along("And how is it removed?", talk) == talk[1:]
    assert read_along("What is an array of strings?", talk) == []
    assert read_along("Why?", []) == []
    assert len(read_along("Why?", ["Why?"] * 9)) == MOST
