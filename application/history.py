"""The talk so far, as the model and the search are given it."""

from collections.abc import Iterable, Sequence
from typing import Final

from application.ports.models import ModelRequest, PastTurn, StopReason
from domain.conversations import Message, Speaker
from domain.follow_ups import read_along

MAX_HISTORY_TOKENS: Final = 16_000
REFUSED: Final = StopReason.REFUSAL.value
MAX_QUERY: Final = 2000  # characters
_PART_OF_BEFORE: Final = 500  # characters of the question before
_CHARACTERS_A_TOKEN: Final = 3.5


def estimated_tokens(text: str) -> int:
    """A cautious guess without the provider's tokenizer: 3.5 letters a token, one for each sign beyond Latin-1."""
    wide = sum(character > "\u00ff" for character in text)
    return int((len(text) - wide) / _CHARACTERS_A_TOKEN) + wide + 1


def estimated_request(request: ModelRequest) -> int:
    """Input tokens of a request, as far as its text goes."""
    sources = [*request.sources, *(s for done in request.rounds for result in done.results for s in result.sources)]
    texts = [request.question, request.instructions, *(turn.text for turn in request.history)]
    texts += ["".join(source.blocks) for source in sources]
    return sum(map(estimated_tokens, texts))


def search_text(question: str, history: Iterable[Message]) -> str:
    """The question in the light of the talk: one that points back is searched for with those before it."""
    question = question.strip()
    asked_before = [message.content.strip() for message in history if message.role is Speaker.USER]
    along = [before[:_PART_OF_BEFORE] for before in read_along(question, asked_before)]
    return "\n".join([*along, question])[-MAX_QUERY:]


def past_turns(history: Iterable[Message], *, budget: int = MAX_HISTORY_TOKENS) -> tuple[PastTurn, ...]:
    """Whole exchanges, the youngest within `budget` tokens; a question without an answer, or with one that the model
    broke off to refuse, is left out.

    When the budget is full, the older half of it goes at once: the beginning stays the same for many questions, as
    prompt caching needs it.
    """
    exchanges: list[tuple[Message, Message]] = []
    question: Message | None = None
    for message in history:
        if message.role is Speaker.USER:
            question = message
        elif question is not None and message.content.strip() and message.stop_reason != REFUSED:
            exchanges.append((question, message))
            question = None
    kept: list[tuple[Message, Message]] = []
    sizes: list[int] = []
    for exchange in exchanges:
        kept.append(exchange)
        sizes.append(sum(estimated_tokens(message.content) for message in exchange))
        if sum(sizes) > budget:
            while sum(sizes) > budget / 2:
                del kept[0], sizes[0]
    return tuple(PastTurn(speaker=said.role, text=said.content) for exchange in kept for said in exchange)


def shortened(history: Sequence[PastTurn]) -> tuple[PastTurn, ...]:
    """Without the older part: the last exchange alone, or nothing where that was all."""
    return tuple(history[-2:]) if len(history) > 2 else ()  # noqa: PLR2004 an exchange is two turns
