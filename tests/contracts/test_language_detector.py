"""What every language detector promises; run on the fake and on the real one."""

import pytest

from adapters.qdrant.languages import StopWordLanguages
from application.ports.languages import LanguageDetector
from tests.fakes.parsing import FakeLanguages


@pytest.fixture(params=["fake", "stop_words"])
def detector(request: pytest.FixtureRequest) -> LanguageDetector:
    return FakeLanguages() if request.param == "fake" else StopWordLanguages()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The notice period is thirty days, and it begins on the day of the letter.", "en"),
        ("Die Kündigungsfrist ist drei Monate und beginnt mit dem Brief.", "de"),
        ("深度学习模型需要大量数据。", "zh"),
    ],
)
def test_a_sentence_is_enough(detector: LanguageDetector, text: str, expected: str) -> None:
    """A sentence tells its language."""
    assert expected == detector.detect(text)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("notice period", "de", True),
        ("notice period", "zh", False),
        ("学习", "zh", True),
        ("学习", "en", False),
        ("notice 学习", "zh", False),
        ("4711 -- 3.14", "de", False),
        ("", "de", False),
    ],
)
def test_letters_rule_languages_out(detector: LanguageDetector, text: str, language: str, *, expected: bool) -> None:
    """What has no words may be in none."""
    assert detector.may_be(text, language) is expected


@pytest.mark.parametrize("text", ["", "4711 -- 3.14", "🚀"])
def test_nothing_decides(detector: LanguageDetector, text: str) -> None:
    """A text without words is in no language."""
    assert detector.detect(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Türkiye'nin başkenti Ankara'dır; ağaçların altında çocuklar oynadı.", "tr"),  # noqa: RUF001
        ("Thời hạn thông báo là ba mươi ngày kể từ ngày nhận được thư.", "vi"),
        ("يحتوي العقد على شرط جزائي", "ar"),
        ("東京は日本の首都です。", "ja"),
        ("Условие о неустойке содержится в договоре.", "ru"),  # noqa: RUF001
    ],
)
def test_languages_of_the_real_one(text: str, expected: str) -> None:
    """Scripts, stop words and letters of its own tell a language."""
    assert expected == StopWordLanguages().detect(text)


def test_a_cover_in_another_language() -> None:
    """What most of a long text is in counts, not its first page."""
    cover = "This is the licence of the work that you have in your hands, and it is to be kept with it. " * 6
    body = "Die Kündigungsfrist ist drei Monate und beginnt mit dem Brief, der an uns geht. " * 60

    assert StopWordLanguages().detect(cover + body) == "de"
