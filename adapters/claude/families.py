"""What a request may carry for which model, so that no model refuses it.

Thinking is left to each model's own default: what is always accepted. Effort is named only for families
known to take it; an unknown id gets the plainest request.
"""

from typing import Final, Literal, get_args

Effort = Literal["low", "medium", "high", "xhigh", "max"]

_LEVELS: Final[tuple[Effort, ...]] = get_args(Effort)
_TO_HIGH: Final = 3
_TO_MAX: Final = len(_LEVELS)

# beginnings of ids, the longer ones first; how many of the levels the family takes
_FAMILIES: Final[tuple[tuple[str, int], ...]] = (
    ("claude-opus-4-5", _TO_HIGH),
    ("claude-opus-4-6", _TO_HIGH),
    ("claude-sonnet-4-6", _TO_HIGH),
    ("claude-opus-4-7", _TO_MAX),
    ("claude-opus-4-8", _TO_MAX),
    ("claude-opus-5", _TO_MAX),
    ("claude-sonnet-5", _TO_MAX),
    ("claude-fable-5", _TO_MAX),
    ("claude-mythos-5", _TO_MAX),
    ("claude-haiku-5-5", _TO_HIGH),
)


def effort_for(model: str, wanted: str | None) -> Effort | None:
    """The nearest effort that the model takes, not above the wanted one; None: say nothing of it."""
    if wanted not in _LEVELS:
        return None
    for beginning, count in _FAMILIES:
        if model == beginning or model.startswith(beginning + "-"):
            return _LEVELS[min(_LEVELS.index(wanted), count - 1)]
    return None
