"""The words in which a file's failure is told."""

from application.errors import ParsingFailed
from domain.documents import Failure, FailureCode


def failed(code: FailureCode, message: str) -> ParsingFailed:
    """The error to raise for a file that cannot be read."""
    return ParsingFailed(Failure(code=code, message=message))


def corrupt(what: str) -> ParsingFailed:
    """`what` names the format: "PDF"."""
    return failed(FailureCode.CORRUPT_FILE, f"The file is damaged: it cannot be read as {what}.")


def encrypted(what: str) -> ParsingFailed:
    """`what` names the format: "PDF"."""
    return failed(
        FailureCode.ENCRYPTED_FILE,
        f"The {what} is protected by a password. Remove the protection and upload it again.",
    )


def no_text(message: str = "No text was found in the file.") -> ParsingFailed:
    """Nothing to search in."""
    return failed(FailureCode.NO_TEXT_FOUND, message)


def too_many_pages(pages: int, most: int) -> ParsingFailed:
    """Counted before any page is read."""
    return failed(
        FailureCode.TOO_MANY_PAGES, f"The file has {pages:,} pages; at most {most:,} are read. Split it into parts."
    )


def too_much_text(what: str) -> ParsingFailed:
    """`what` says which bound was passed, in plain words."""
    return failed(FailureCode.TOO_MUCH_TEXT, f"The file holds too much: {what}. Split it into parts.")
