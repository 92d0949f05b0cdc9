"""PDFs whose fonts name characters with their bytes swapped."""

from adapters.parsing.pdf import righted
from adapters.parsing.pdf_page import Line, PageLines


def pages(*texts: str) -> list[PageLines]:
    return [PageLines(1, 100.0, 100.0, tuple(Line(text, (0, 0, 1, 1), 10.0) for text in texts))]


def lines(found: list[PageLines]) -> list[str]:
    return [line.text for page in found for line in page.lines]


def test_swapped_letters_are_turned_round() -> None:
    """Spaces and what little is as it should be stay."""
    swapped = "".join(chr(ord(letter) << 8) if letter != " " else letter for letter in "Pure Black (K = 1)")

    assert ["Pure Black (K = 1)", "7"] == lines(righted(pages(swapped, "7")))


def test_real_chinese_stays() -> None:
    """Also where a character ends in a zero byte, and in a text of a few."""
    for text in ("一個漢字文件的內容不會變", "一伀"):
        assert [text] == lines(righted(pages(text)))
