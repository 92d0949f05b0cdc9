"""Document text without what a reader would not see."""

import re
from typing import Final

# C0 and C1 controls but tab and line feed, line and paragraph separators, marks that turn or hide text
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def without_controls(text: str) -> str:
    """The same number of code points, each control among them a space."""
    return _CONTROL.sub(" ", text)
