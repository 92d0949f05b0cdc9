"""A document's title as context of its passages."""

import pytest

from domain.titles import below_title, spoken_title


@pytest.mark.parametrize(
    ("title", "filename", "said"),
    [
        ("HARBOUR_2023_10K.pdf", "HARBOUR_2023_10K.pdf", "HARBOUR 2023 10K"),
        ("Q2-report.final.docx", "Q2-report.final.docx", "Q2 report.final"),
        ("Vertrag_\u00dcber_Miete.pdf", "Vertrag_\u00dcber_Miete.pdf", "Vertrag \u00dcber Miete"),
        ("e-mail_rules.v2", "other.pdf", "e-mail_rules.v2"),
        ("d00003.txt", "d00003.txt", ""),
        ("2023", "scan.pdf", ""),
    ],
)
def test_a_title_as_it_is_said(title: str, filename: str, said: str) -> None:
    """A file's name without its ending and joints; a title that somebody gave to the letter; numbers tell nothing."""
    assert spoken_title(title, filename) == said


def test_a_title_is_not_said_twice() -> None:
    """Whatever its case and punctuation; part of a word is not the word."""
    assert below_title("Harbour rules", "Ships wait.") == "Harbour rules\nShips wait."
    assert below_title("Harbour rules", "HARBOUR, RULES\nShips wait.") == "HARBOUR, RULES\nShips wait."
    assert below_title("Harbour rule", "Harbour rules") == "Harbour rule\nHarbour rules"
    assert below_title("", "Ships wait.") == "Ships wait."
