"""What a PDF reader finds on a page, whichever it is."""

from attrs import field, frozen

from domain.passages import Box


@frozen
class Line:
    """A line of text; `mended` says that a word goes on in the next line, without the hyphen."""

    text: str
    box: Box  # as the page is shown, top left origin
    size: float  # of the font, points
    mended: bool = False
    bold: bool = False
    gaps: tuple[tuple[int, float, float], ...] = ()  # wide ones inside: place of the next word, from x, to x


@frozen
class PageLines:
    """A page's lines in reading order."""

    number: int
    width: float
    height: float
    lines: tuple[Line, ...] = field(default=())
    drawn: int = 0  # objects on it that draw text, where the text found is little; each draws a character or more
