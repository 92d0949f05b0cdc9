"""Whatever people do, and whatever breaks while the jobs run, a search finds what it must and nothing else."""

from pathlib import Path

from attrs import frozen
from hypothesis import HealthCheck, settings

from application.ports.jobs import AnyJob
from tests.application.documents_machine import DocumentsMachine, Ground
from tests.fakes.assembly import Assembly
from tests.fakes.assembly_parts import BucketEmbedder
from tests.fakes.database import QueuedJob
from tests.fakes.vectors import InMemoryVectorIndex


@frozen
class FakeGround(Ground):
    """Everything in memory."""

    assembly: Assembly

    @property
    def _jobs(self) -> list[QueuedJob]:
        return self.assembly.begin.database.jobs

    async def take(self) -> AnyJob | None:
        return self._jobs.pop(0).job if self._jobs else None

    async def put_back(self, job: AnyJob) -> None:
        self._jobs.append(QueuedJob(job, 0.0))

    async def lose_jobs(self) -> None:
        self._jobs.clear()

    async def engines(self, *, vectors: bool, embedder: bool) -> None:
        for index in await self.assembly.use_cases.generations.all():
            assert isinstance(index.vectors, InMemoryVectorIndex)
            assert isinstance(index.embedder, BucketEmbedder)
            index.vectors.available, index.embedder.down = vectors, not embedder

    async def close(self) -> None:
        pass


class OnFakes(DocumentsMachine):
    async def ground_on(self, root: Path) -> Ground:
        return FakeGround(Assembly(root=root))


OnFakes.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestDocuments = OnFakes.TestCase
