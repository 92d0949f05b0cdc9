"""The job queue's objects in the database, named once for migration, writers and workers."""

from typing import Final

from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.ports.driver import Driver

# Every name is given, so that variables of the environment that pgqueuer would read (`CHANNEL` is one of them)
# cannot make one process look at other tables than its neighbour.
QUEUE: Final = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel("jobs_changed"),
    function="jobs_changed",
    trigger="jobs_changed",
    queue_table="jobs",
    queue_table_log="job_log",
    statistics_table="job_statistics",
    schedules_table="job_schedules",
    queue_status_type="job_status",
    durability=Durability.durable,
    widen_id=False,
)

FLOW: Final = "coalesce(headers ->> 'flow', '')"  # whose turn a job is of; an index holds it

QUEUE_TABLES: Final = frozenset(
    {QUEUE.queue_table, QUEUE.queue_table_log, QUEUE.statistics_table, QUEUE.schedules_table}
)


def queries_on(driver: Driver) -> Queries:
    """The statements of pgqueuer, on our names."""
    return Queries(
        driver,
        qbe=QueryBuilderEnvironment(QUEUE),
        qbq=QueryQueueBuilder(QUEUE),
        qbs=QuerySchedulerBuilder(QUEUE),
    )
