"""Where sentences end."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sentences import sentences


def split(text: str) -> list[str]:
    return [text[a:b] for a, b in sentences(text)]


@pytest.mark.parametrize(
    "parts",
    [
        ["It rains.", "It pours!", "Does it?", "Yes."],
        ["Dr. Smith met Mr. J. R. Jones at 3.5 km.", "They talked."],
        ["See fig. 3 and e.g. section 2.", "Then go on."],
        ["He works at Acme Inc. and likes it.", "She left Acme Inc.", "Nobody knew."],
        ['"Go away." He said no more.'],
        ["Wait... what happened?", "Nothing."],
        ["今日は晴れです。", "明日は雨でしょう！", "本当ですか？"],  # noqa: RUF001
        ["यह एक वाक्य है।", "यह दूसरा है।"],
        ["هل تفهم؟", "نعم أفهم."],
        ["Das ist z.B. ein Satz.", "Das ist noch einer."],
        ["Version 2.0 is out.", "Pi is 3.14159."],
    ],
)
def test_sentences_end_where_readers_end_them(parts: list[str]) -> None:
    """Abbreviations, decimals and initials do not end a sentence; stops of any script do."""
    joiner = "" if "。" in parts[0] else " "
    text = joiner.join(parts)
    expected = parts if text != '"Go away." He said no more.' else ['"Go away."', "He said no more."]

    assert split(text) == expected


def test_an_empty_line_ends_a_sentence() -> None:
    """A title without a stop is not part of what follows."""
    assert split("A title\n\nThe text.") == ["A title", "The text."]


def test_a_script_without_stops_is_divided_at_its_spaces() -> None:
    """Thai is written without full stops; no sentence of it grows without bound."""
    phrase = "ภาษาไทยเป็นภาษาที่มีระดับเสียง"
    found = split(" ".join([phrase] * 40))

    assert len(found) > 5
    assert max(map(len, found)) < 300


@given(st.text(alphabet=st.sampled_from("abA1 .!?\n\"'。।)(ก "), max_size=300))
def test_everything_is_in_exactly_one_sentence(text: str) -> None:
    """Ranges ascend, do not overlap, have no white space at their ends, and leave only white space out."""
    found = list(sentences(text))

    covered = "".join(text[a:b] for a, b in found)
    assert "".join(covered.split()) == "".join(text.split())
    assert all(a < b and not text[a].isspace() and not text[b - 1].isspace() for a, b in found)
    assert all(first[1] <= second[0] for first, second in pairwise(found))


@pytest.mark.parametrize("unit", [".", ". ", "a. ", '."', "a", "\n", "。", "ก ", "1."])
def test_time_grows_with_the_length_only(unit: str) -> None:
    """A long run of anything takes no longer than text does."""
    started = time.perf_counter()
    for _ in sentences(unit * 200_000):
        pass

    assert time.perf_counter() - started < 5
