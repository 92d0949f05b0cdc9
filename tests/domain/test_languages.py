"""In which language documents usually are."""

import pytest

from domain.languages import usual_language


@pytest.mark.parametrize(
    ("documents", "usual"),
    [
        ({"de": 9, "en": 1}, "de"),
        ({"de": 89, "en": 11}, None),
        ({"de": 1, None: 50}, "de"),
        ({None: 3}, None),
        ({}, None),
    ],
)
def test_nine_tenths_of_those_known_make_a_language_usual(documents: dict[str | None, int], usual: str | None) -> None:
    """What is in no language that is known, such as tables of figures, does not count."""
    assert usual_language(documents) == usual
