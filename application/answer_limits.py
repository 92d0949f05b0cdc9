"""How much may be asked: at once, and in a month."""

from datetime import datetime, timedelta
from typing import Final

from attrs import frozen

from application.ports.unit_of_work import UnitOfWork
from domain.access import Actor
from domain.errors import TooManyRequests

BUSY_RETRY: Final = 5.0  # seconds


@frozen(kw_only=True)
class AnswerLimits:
    """Asked before an answer begins, so that nothing is paid for that is not allowed. Months are calendar, UTC."""

    per_user: int = 8  # answers at once, in one workspace
    per_workspace: int = 100
    monthly_tokens_per_user: int | None = None  # of all kinds, in one workspace; None: no limit
    monthly_tokens_per_workspace: int | None = None

    async def check(self, work: UnitOfWork, actor: Actor, now: datetime) -> None:
        """`TooManyRequests`: `too_many_answers` at once, or `quota_exceeded`, with the seconds to wait."""
        active = await work.runs.active(actor.workspace_id, actor.user_id)
        if active.of_user >= self.per_user or active.of_workspace >= self.per_workspace:
            whose = "You have" if active.of_user >= self.per_user else "This workspace has"
            raise TooManyRequests(
                f"{whose} as many answers being written as are allowed at once. Wait for one of them or cancel it.",
                code="too_many_answers",
                retry_after=BUSY_RETRY,
            )
        if self.monthly_tokens_per_user is None and self.monthly_tokens_per_workspace is None:
            return
        used = await work.usage.since(actor.workspace_id, actor.user_id, now.date().replace(day=1))
        limits = (
            (self.monthly_tokens_per_user, used.by_user, "Your"),
            (self.monthly_tokens_per_workspace, used.by_workspace, "The workspace's"),
        )
        for limit, tokens, whose in limits:
            if limit is not None and tokens >= limit:
                raise TooManyRequests(
                    f"{whose} quota of {limit:,} tokens for this month is used up.",
                    code="quota_exceeded",
                    retry_after=(_next_month(now) - now).total_seconds(),
                )


def _next_month(now: datetime) -> datetime:
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)
