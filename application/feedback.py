"""What people think of answers."""

from attrs import frozen

from application.conversation_access import ConversationAccess
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.conversations import Speaker
from domain.errors import InvalidInput
from domain.feedback import Feedback, Rating, check_comment
from domain.ids import MessageId


@frozen(kw_only=True)
class RateAnswer:
    """Say whether an answer was of use, and why; saying it again replaces what was said."""

    begin: UnitOfWorkFactory
    access: ConversationAccess
    clock: Clock

    async def __call__(
        self, actor: Actor, *, message_id: MessageId, rating: Rating, comment: str | None = None
    ) -> None:
        """`NotFound`; `InvalidInput` for a long comment, or for a message that is no answer."""
        actor.require(Action.CHAT)
        comment = check_comment(comment)
        async with self.begin(actor.workspace_id) as work:
            message = await self.access.message(work, actor, message_id)
            if message.role is not Speaker.ASSISTANT:
                raise InvalidInput("Only answers are rated.", pointer="")
            await work.messages.rate(
                Feedback(
                    message_id=message.id,
                    workspace_id=message.workspace_id,
                    user_id=actor.user_id,
                    rating=rating,
                    comment=comment,
                    given_at=self.clock.now(),
                )
            )
            await work.commit()
