"""A conversation to keep: as JSON, or as Markdown for people."""

import re
from typing import Any, Final

from attrs import frozen

from application.conversation_access import ConversationAccess, with_readable_citations
from application.ports.unit_of_work import UnitOfWorkFactory
from application.views import conversation_view, message_view
from domain.access import Action, Actor
from domain.answers import Citation
from domain.conversations import Conversation, Message, Speaker
from domain.ids import ConversationId

_PAGE: Final = 200
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
        """Every branch, in the order of time; an answer's claims carry numbers, its sources stand below it."""
        title = _escaped(self.conversation.title or "Conversation")
        parts = [f"# {title}", *(_section(message) for message in self.messages)]
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


def _section(message: Message) -> str:
    moment = message.created_at.strftime("%Y-%m-%d %H:%M UTC")
    status = "" if message.status.value == "complete" else f" ({message.status.value})"
    lines = [f"## {_SPEAKERS[message.role]}{status}", f"*{moment}*", _numbered(message)]
    if message.citations:
        lines.append("\n".join(_source(citation) for citation in message.citations))
    return "\n\n".join(line for line in lines if line)


def _numbered(message: Message) -> str:
    """The content with `[^n]` behind each claim."""
    content = message.content
    for citation in sorted(message.citations, key=lambda one: (one.claim_to, one.index), reverse=True):
        note = f"[^{_note(citation)}]"
        content = content[: citation.claim_to] + note + content[citation.claim_to :]
    return content


def _source(citation: Citation) -> str:
    place = "" if citation.page_from is None else f", p. {citation.page_from}"
    quote = _escaped(" ".join(citation.quote.split()))
    return f"[^{_note(citation)}]: {_escaped(citation.document_title)}{place}: “{quote}”"


def _note(citation: Citation) -> str:
    return f"{str(citation.chunk_id)[:8]}-{citation.index + 1}"


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
