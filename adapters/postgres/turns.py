"""Which job is next: small before large, workspaces in turn, and nobody waits for a whole bulk upload.

The queue's rows carry their workspace as the flow. A worker looks at the head of each flow and picks from the best
priority the flow that it served longest ago. Within a flow the oldest and the newest job take turns, so that a file
that came after five thousand others is read next, and those go on. Now and then the oldest job of all is picked,
whatever its priority, so that a large file is not starved by small ones that never end.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from attrs import define, field, frozen
from pgqueuer.domain.models import Job as PickedJob
from pgqueuer.ports.driver import Driver

from adapters.postgres.queue_schema import FLOW, QUEUE

OLDEST_EVERY: Final = 8  # picks

_HEADS = f"""
    WITH RECURSIVE flows AS (
        (SELECT {FLOW} AS flow FROM {QUEUE.queue_table} WHERE status = 'queued' ORDER BY 1 LIMIT 1)
        UNION ALL
        SELECT (
            SELECT {FLOW} FROM {QUEUE.queue_table} WHERE status = 'queued' AND {FLOW} > flows.flow ORDER BY 1 LIMIT 1
        )
        FROM flows WHERE flows.flow IS NOT NULL
    )
    SELECT flow, head.priority FROM flows CROSS JOIN LATERAL (
        SELECT priority FROM {QUEUE.queue_table}
        WHERE status = 'queued' AND {FLOW} = flow AND entrypoint = ANY($1) AND execute_after <= now()
        ORDER BY priority DESC LIMIT 1
    ) AS head
"""  # noqa: S608 our own names
_PICK = f"""
    UPDATE {QUEUE.queue_table}
    SET status = 'picked', queue_manager_id = $2, updated = now(), heartbeat = now()
    WHERE id = (
        SELECT id FROM {QUEUE.queue_table}
        WHERE status = 'queued' AND entrypoint = ANY($1) AND execute_after <= now() AND {{conditions}}
        ORDER BY id {{order}} LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    RETURNING *
"""  # noqa: S608 our own names
_OF_FLOW = f"{FLOW} = $3 AND priority = $4"
_OLDEST_OF_FLOW = _PICK.format(conditions=_OF_FLOW, order="ASC")
_NEWEST_OF_FLOW = _PICK.format(conditions=_OF_FLOW, order="DESC")
_OLDEST = _PICK.format(conditions="true", order="ASC")


@frozen
class Head:
    """The best that a flow has to offer."""

    flow: str
    priority: int


@define
class Turns:
    """What one worker remembers of whom it served."""

    _served: dict[str, int] = field(factory=dict)  # flow → number of the last pick
    _picks: dict[str, int] = field(factory=dict)  # flow → how many
    _looks: int = 0
    _last: int = 0

    def ordered(self, heads: Iterable[Head]) -> list[Head]:
        """Best first."""
        return sorted(heads, key=lambda head: (-head.priority, self._served.get(head.flow, 0)))

    def takes_newest(self, head: Head) -> bool:
        """Whether it is the turn of the flow's newest job."""
        return self._picks.get(head.flow, 0) % 2 == 1

    def takes_oldest_of_all(self) -> bool:
        """Whether it is the turn of the oldest job of all."""
        self._looks += 1
        return self._looks % OLDEST_EVERY == 0

    def served(self, head: Head) -> None:
        """A job of it was picked."""
        self._last += 1
        self._served[head.flow] = self._last
        self._picks[head.flow] = self._picks.get(head.flow, 0) + 1

    def keep(self, flows: Iterable[str]) -> None:
        """Forget the others: whoever comes back begins anew."""
        waiting = set(flows)
        for known in (self._served, self._picks):
            for flow in known.keys() - waiting:
                del known[flow]


async def pick(driver: Driver, turns: Turns, *, kinds: Sequence[str], worker: UUID, limit: int) -> list[PickedJob]:
    """At most `limit` jobs, now this worker's."""
    picked: list[PickedJob] = []
    while len(picked) < limit:
        job = await _pick_one(driver, turns, kinds, worker)
        if job is None:
            break
        picked.append(job)
    return picked


async def _pick_one(driver: Driver, turns: Turns, kinds: Sequence[str], worker: UUID) -> PickedJob | None:
    if turns.takes_oldest_of_all():
        return _first(await driver.fetch(_OLDEST, kinds, worker))
    rows: Sequence[Mapping[str, Any]] = await driver.fetch(_HEADS, kinds)
    heads = turns.ordered(Head(row["flow"], row["priority"]) for row in rows)
    turns.keep(head.flow for head in heads)
    for head in heads:
        statement = _NEWEST_OF_FLOW if turns.takes_newest(head) else _OLDEST_OF_FLOW
        job = _first(await driver.fetch(statement, kinds, worker, head.flow, head.priority))
        if job is not None:  # else another worker was faster
            turns.served(head)
            return job
    return None


def _first(rows: Sequence[Mapping[str, Any]]) -> PickedJob | None:
    return PickedJob.model_validate(dict(rows[0])) if rows else None
