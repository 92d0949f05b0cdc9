"""What a workspace used."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import Final, TypeVar

from attrs import frozen

from application.ports.document_repositories import DocumentTotals
from application.ports.system import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.access import Action, Actor
from domain.conversations import Usage
from domain.errors import InvalidInput
from domain.ids import UserId
from domain.usage import Price, UsageEntry, cost

LONGEST: Final = timedelta(days=366)
K = TypeVar("K")


@frozen(kw_only=True)
class UsageSum:
    """Of some entries. `cost` is in US dollars; None where a model among them has no price."""

    answers: int
    usage: Usage
    cost: float | None


@frozen(kw_only=True)
class WorkspaceUsage:
    """Answers of some days, and what is stored now."""

    first: date
    last: date
    total: UsageSum
    by_model: Mapping[str, UsageSum]
    by_user: Mapping[UserId, UsageSum]
    stored: DocumentTotals


@frozen(kw_only=True)
class ShowUsage:
    """Tokens, answers and their price by model and by user, and what is stored; for admins.

    Days are UTC, both ends included; without them, this month up to today.
    """

    begin: UnitOfWorkFactory
    clock: Clock
    prices: Mapping[str, Price]

    async def __call__(self, actor: Actor, *, first: date | None = None, last: date | None = None) -> WorkspaceUsage:
        """`Forbidden`; `InvalidInput` for days the wrong way round or more than a year."""
        actor.require(Action.USAGE_READ)
        last = last or self.clock.now().date()
        first = first or last.replace(day=1)
        if not timedelta(0) <= last - first <= LONGEST:
            raise InvalidInput("`from` is at most a year before `to`, and not after it.", pointer="/from")
        async with self.begin(actor.workspace_id) as work:
            entries = await work.usage.between(actor.workspace_id, first, last)
            stored = await work.documents.totals(actor.workspace_id)
        return WorkspaceUsage(
            first=first,
            last=last,
            total=self._sum(entries),
            by_model=self._grouped(entries, lambda entry: entry.model),
            by_user=self._grouped(entries, lambda entry: entry.user_id),
            stored=stored,
        )

    def _grouped(self, entries: Iterable[UsageEntry], key: Callable[[UsageEntry], K]) -> dict[K, UsageSum]:
        groups: dict[K, list[UsageEntry]] = {}
        for entry in entries:
            groups.setdefault(key(entry), []).append(entry)
        return {name: self._sum(group) for name, group in groups.items()}

    def _sum(self, entries: Iterable[UsageEntry]) -> UsageSum:
        answers, usage, total = 0, Usage(), 0.0
        is_priced = True
        for entry in entries:
            answers += entry.answers
            usage += entry.usage
            price = cost(entry.model, entry.usage, self.prices)
            is_priced = is_priced and price is not None
            total += price or 0.0
        return UsageSum(answers=answers, usage=usage, cost=round(total, 6) if is_priced else None)
