"""Names, titles and tags as people of every script write them."""

import pytest

from domain.documents import check_metadata, check_tags, check_title, clean_filename
from domain.errors import InvalidInput
from domain.workspaces import check_name


@pytest.mark.parametrize("text", ["می\u200cخواهم", "👩\u200d👧 plan", "क्\u200dष"])  # noqa: RUF001 Persian
def test_joiners_belong_to_words(text: str) -> None:
    """Invisible, but without them the word is another or the emoji falls apart."""
    assert (text,) == check_tags((text,))
    assert text == check_title(text) == check_name(text)
    assert f"{text}.txt" == clean_filename(f"{text}.txt")
    assert {text: text} == check_metadata({text: text})


def test_wide_spaces_may_stand_in_a_tag() -> None:
    """As they were written, so that a filter finds them."""
    assert ("東京\u3000大阪", "a\u00a0b") == check_tags(("東京\u3000大阪 ", "a\u00a0b"))
    assert check_title("東京\u3000大阪") == "東京 大阪"


@pytest.mark.parametrize("text", ["a\u202eb", "a\nb", "a\0b", "a\ud800b", "a\u200bb"])
def test_what_nobody_sees_is_refused_or_left_out(text: str) -> None:
    """Marks that turn the direction round, controls, halves of pairs."""
    assert check_title(text) == clean_filename(text) == "a b"
    for check in (check_name, lambda tag: check_tags((tag,)), lambda key: check_metadata({key: "x"})):
        with pytest.raises(InvalidInput):
            check(text if check is not check_name else text.replace("\n", "\0"))


@pytest.mark.parametrize("value", ["a\ud800", "a\0", None, [1], float("nan"), 2**53, "x" * 1001])
def test_metadata_says_which_key(value: object) -> None:
    """By a pointer that is one (RFC 6901)."""
    with pytest.raises(InvalidInput) as refused:
        check_metadata({"a/b~c": value})

    assert refused.value.details["pointer"] == "/metadata/a~1b~0c"
