"""Where words begin and end, in any script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.words import runs

_MARKS = "\u0301\u0903\u094d\u0e31\u20dd\u3099\U0001d167"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The heron\u2019s nest \u2013 3rd_floor", ["The", "heron", "s", "nest", "3rd", "floor"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ภาษาไทย", ["ภาษาไทย"]),
        ("e\u0301lan\u0301", ["e\u0301lan\u0301"]),
        ("\u0301alone \u0301", ["alone"]),
        ("", []),
    ],
)
def test_marks_belong_to_their_word(text: str, words: list[str]) -> None:
    """Without them words of many scripts would fall into pieces; one that stands alone is no word."""
    assert list(runs(text)) == words


@given(st.text(st.sampled_from(f"aZ9é東क _-\u2019\n{_MARKS}"), max_size=30) | st.text(max_size=30))
def test_a_word_goes_on_while_letters_digits_and_marks_do(text: str) -> None:
    """Compared with the rule, one character after the other."""
    kept = ""
    for character in text:
        is_mark = unicodedata.category(character)[0] == "M"
        goes_on = is_mark and kept != "" and not kept.endswith(" ")
        kept += character if character.isalnum() or goes_on else " "

    assert list(runs(text)) == [word for word in kept.split(" ") if word]
