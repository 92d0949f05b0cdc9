"""A conversation to keep: as JSON, or as Markdown for people."""

import re
from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import Any, Final

from attrs import frozen

from application.conversation_access import ConversationAccess, with_readable_citations
from application.ports.unit_of_work import UnitOfWorkFactory
from application.views import conversation_view, message_view
from domain.access import Action, Actor
from domain.answers import Citation
from domain.conversations import Conversation, Message, MessageStatus, Speaker
from domain.ids import ConversationId, MessageId

_PAGE: Final = 200
_BEGINNING: Final = 60  # characters of a message that another one follows
_SPEAKERS: Final = {Speaker.USER: "Question", Speaker.ASSISTANT: "Answer"}
_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>#|~])")


@frozen(kw_only=True)
class Exported:
    """A conversation with all its messages, oldest first, as the asker may see them."""

    conversation: Conversation
    messages: tuple[Message, ...]

    def as_json(self) -> dict[str, Any]:
        """`{conversation, messages}` in the shapes of the API."""
        return {
            "conversation": conversation_view(self.conversation),
            "messages": [message_view(message) for message in self.messages],
        }

    def as_markdown(self) -> str:
        """Every branch, in the order of time; claims carry numbers, an answer's sources stand below it."""
        title = _escaped(self.conversation.title or "Conversation")
        parts = [f"# {title}", *_sections(self.messages)]
        return "\n\n".join(parts) + "\n"


@frozen(kw_only=True)
class ExportConversation:
    """The conversation with its citations; those of documents that the asker may not read are left out."""

    begin: UnitOfWorkFactory
    access: ConversationAccess

    async def __call__(self, actor: Actor, *, conversation_id: ConversationId) -> Exported:
        """`NotFound` when it is not the actor's."""
        actor.require(Action.CHAT)
        messages: list[Message] = []
        async with self.begin(actor.workspace_id) as work:
            conversation = await self.access.conversation(work, actor, conversation_id)
            while True:
                after = messages[-1].id if messages else None
                page = await work.messages.page(conversation_id, limit=_PAGE, after=after)
                messages += await with_readable_citations(work, actor, page)
                if len(page) < _PAGE:
                    return Exported(conversation=conversation, messages=tuple(messages))


def _sections(messages: Sequence[Message]) -> Iterator[str]:
    """One a message; notes are numbered through the whole document, as Markdown takes one of a name."""
    by_id = {message.id: message for message in messages}
    notes = 0
    above: Message | None = None
    for message in messages:
        status = "" if message.status is MessageStatus.COMPLETE else f" ({message.status.value})"
        heading = f"## {_SPEAKERS[message.role]}{status}"
        moment = f"*{message.created_at:%Y-%m-%d %H:%M} UTC{_branch(message, above, by_id)}*"
        reason = "" if message.error is None else f"> {_escaped(message.error.message)}"
        sources = "\n".join(_source(number, one) for number, one in enumerate(message.citations, notes + 1))
        yield "\n\n".join(part for part in (heading, moment, _numbered(message, notes), reason, sources) if part)
        notes += len(message.citations)
        above = message


def _branch(message: Message, above: Message | None, by_id: Mapping[MessageId, Message]) -> str:
    """Which message this one follows, where that is not the one above it."""
    if above is None or message.parent_id == above.id:
        return ""
    parent = by_id.get(message.parent_id) if message.parent_id else None
    if parent is None:
        return ", from the beginning"
    return f", after “{_escaped(shorten(parent.content, _BEGINNING, placeholder='…'))}”"


def _numbered(message: Message, notes: int) -> str:
    """The content with a note behind each claim, numbered from `notes` + 1."""
    content = message.content
    for citation in sorted(message.citations, key=lambda one: (one.claim_to, one.index), reverse=True):
        number = notes + 1 + message.citations.index(citation)
        content = f"{content[: citation.claim_to]}[^{number}]{content[citation.claim_to :]}"
    return content


def _source(number: int, citation: Citation) -> str:
    place = "" if citation.page_from is None else f", p. {citation.page_from}"
    quote = _escaped(citation.quote)
    return f"[^{number}]: {_escaped(citation.document_title)}{place}: “{quote}”"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
