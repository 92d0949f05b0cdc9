"""Copies of one text."""

import pytest

from domain.duplicates import fingerprint

TEXT = (
    "Either party may end this agreement by giving the other party thirty days notice in writing, sent to the address "
    "that stands at the head of this agreement, unless both have agreed to something else before that day."
)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (TEXT.upper().replace(",", " ;\n"), True),
        (TEXT.replace("thirty", "ninety"), False),
        (TEXT.replace("thirty", "30"), False),
        ("Another thing altogether, with words of its own.", False),
        ("", False),
    ],
)
def test_copies(other: str, *, expected: bool) -> None:
    """Case, white space and punctuation do not make another text; a figure does, and a word in a few lines."""
    assert expected is fingerprint(TEXT).is_copy_of(fingerprint(other))


def test_scripts_without_spaces() -> None:
    """Texts without spaces are compared by their characters."""
    text = "知识库帮助团队找到并引用他们的文件中的段落。" * 2

    assert fingerprint(text).is_copy_of(fingerprint(text.replace("。", " ")))
    assert not fingerprint(text).is_copy_of(fingerprint("向量数据库存储嵌入并回答相似度查询。" * 2))


def test_one_word_in_a_page() -> None:
    """In a long passage a word more or less makes no other text."""
    text = " ".join(f"{letter}{ending}" for letter in "bdfgkl" for ending in ("ale", "ine", "ort", "ask", "elt", "ove"))

    assert fingerprint(text).is_copy_of(fingerprint(text + " more"))
