"""What answers cost."""

from collections.abc import Mapping
from datetime import date

from attrs import frozen

from domain.conversations import Usage
from domain.ids import UserId, WorkspaceId


@frozen(kw_only=True)
class UsageEntry:
    """What one person used of one model on one day, in UTC."""

    workspace_id: WorkspaceId
    user_id: UserId
    model: str
    day: date
    answers: int
    usage: Usage


def total_tokens(usage: Usage) -> int:
    """Everything that went in and came out, cached or not."""
    return usage.input_tokens + usage.output_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens


@frozen(kw_only=True)
class Price:
    """Of one model, in US dollars for a million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float

    def of(self, usage: Usage) -> float:
        """US dollars."""
        return (
            self.input * usage.input_tokens
            + self.output * usage.output_tokens
            + self.cache_read * usage.cache_read_input_tokens
            + self.cache_write * usage.cache_creation_input_tokens
        ) / 1_000_000


def cost(model: str, usage: Usage, prices: Mapping[str, Price]) -> float | None:
    """US dollars; None where the model has no price. A price also holds for dated names of its model.

    What used no tokens, as extractive answers, costs nothing whatever wrote it.
    """
    if usage == Usage():
        return 0.0
    fitting = [name for name in prices if model == name or model.startswith(f"{name}-")]
    return prices[max(fitting, key=len)].of(usage) if fitting else None
