"""All use cases on fakes, put together by the function that production uses."""

from pathlib import Path

from attrs import field, frozen

from adapters.files.local import LocalFiles
from adapters.security.seal import AesSeal
from adapters.security.tokens import JwtTokens
from adapters.system import SystemClock, Uuid7Ids
from application.assembly import assemble
from application.use_cases import Policy, Ports, UseCases
from tests.fakes.access import FakeAccessChanges
from tests.fakes.accounts import FakeTickets
from tests.fakes.assembly_parts import BucketEmbedder, QuickPasswords, RecordedLog
from tests.fakes.cache import FakeCache
from tests.fakes.database import GENERATIONS
from tests.fakes.generations import FIRST, FakeIndexes
from tests.fakes.jobs import MemoryWorker
from tests.fakes.live import MemoryBus
from tests.fakes.models import FakeModel
from tests.fakes.news import MemoryNews
from tests.fakes.parsing import FakeLanguages, FakeMediaTypes, FakeParser
from tests.fakes.presence import MemoryPresence
from tests.fakes.reranking import FakeReranker
from tests.fakes.runs import FakeRuns
from tests.fakes.unit_of_work import FakeUnitOfWorkFactory
from tests.fakes.vectors import InMemoryVectorIndex

SECRET = "a secret key for tests that is long enough"


@frozen(kw_only=True)
class Assembly:
    """The use cases, and the fakes beneath them to look into and to break."""

    root: Path  # of the stored files
    policy: Policy = field(factory=Policy)
    begin: FakeUnitOfWorkFactory = field(factory=FakeUnitOfWorkFactory)
    parser: FakeParser = field(factory=FakeParser)
    embedder: BucketEmbedder = field(factory=BucketEmbedder)
    reranker: FakeReranker | None = None
    vectors: InMemoryVectorIndex = field(factory=InMemoryVectorIndex)
    model: FakeModel = field(factory=FakeModel)
    news: MemoryNews = field(factory=MemoryNews)
    changes: FakeAccessChanges = field(factory=FakeAccessChanges)
    tickets: FakeTickets = field(factory=lambda: FakeTickets(SystemClock()))
    run_log: FakeRuns = field(factory=FakeRuns)
    live: MemoryBus = field(factory=MemoryBus)
    presence: MemoryPresence = field()
    cache: FakeCache = field(factory=lambda: FakeCache(SystemClock()))
    log: RecordedLog = field(factory=RecordedLog)
    indexes: FakeIndexes = field()
    use_cases: UseCases = field(init=False)

    @indexes.default
    def _of_the_fakes(self) -> FakeIndexes:
        return FakeIndexes(embedder=self.embedder, vectors=self.vectors)

    @presence.default
    def _on_the_bus(self) -> MemoryPresence:
        return MemoryPresence(self.live)

    @use_cases.default
    def _assembled(self) -> UseCases:
        if isinstance(self.begin, FakeUnitOfWorkFactory):  # a real database is told by who starts on it
            self.begin.database.table(GENERATIONS).setdefault(FIRST.number, FIRST)
        return assemble(self.ports(), self.policy)

    def ports(self) -> Ports:
        """The fakes, some of them for somebody to replace."""
        return Ports(
            begin=self.begin,
            cache=self.cache,
            files=LocalFiles(self.root),
            media_types=FakeMediaTypes(),
            parser=self.parser,
            languages=FakeLanguages(),
            indexes=self.indexes,
            reranker=self.reranker,
            model=self.model,
            run_log=self.run_log,
            news=self.news,
            live=self.live,
            presence=self.presence,
            passwords=QuickPasswords(),
            tokens=JwtTokens([SECRET]),
            seal=AesSeal([SECRET]),
            changes=self.changes,
            tickets=self.tickets,
            clock=SystemClock(),
            ids=Uuid7Ids(),
            log=self.log,
        )

    def worker(self) -> MemoryWorker:
        """Runs the jobs that were committed."""
        return MemoryWorker(self.begin.database, self.use_cases.handle_job)

    def stored_files(self) -> list[Path]:
        """Every file in the store, unfinished ones too."""
        return [path for path in self.root.rglob("*") if path.is_file()]
