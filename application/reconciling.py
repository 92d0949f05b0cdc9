"""Comparing what Postgres, the index and the file store hold, and mending what differs."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from attrs import define, field, frozen

from application.generations import Generations
from application.ports.document_repositories import DocumentState
from application.ports.files import FileStore
from application.ports.generations import Index
from application.ports.jobs import AnyJob, EraseDocument, RemoveOldRevisions
from application.ports.system import Clock, Log
from application.ports.unit_of_work import UnitOfWorkFactory
from application.reindexing import SETTLED, reindex
from domain.ids import DocumentId, WorkspaceId

BATCH: Final = 500
EXAMPLES: Final = 20  # documents named for each kind of difference


class Difference(StrEnum):
    """How the stores may disagree."""

    MISSING_VECTORS = "missing_vectors"  # a live document has other vectors than passages: read again
    MISSING_CHUNKS = "missing_chunks"  # it has other passages than its row says: read again
    MISSING_FILE = "missing_file"  # its original is not in the store: only people can bring it back
    ORPHANED_VECTORS = "orphaned_vectors"  # of a document or revision that is gone: removed
    ORPHANED_CHUNKS = "orphaned_chunks"  # of a revision that is neither live nor coming: removed
    ORPHANED_FILES = "orphaned_files"  # of a document or revision that is gone: removed
    UNERASED = "unerased"  # deleted, and still not erased: erased


@define(kw_only=True)
class Findings:
    """What was compared and what differed; `examples` name some documents of each kind."""

    documents: int = 0
    vectors: int = 0
    files: int = 0
    differences: Counter[Difference] = field(factory=Counter)
    examples: dict[Difference, list[DocumentId]] = field(factory=dict)

    def note(self, kind: Difference, document_id: DocumentId) -> None:
        """One more."""
        self.differences[kind] += 1
        named = self.examples.setdefault(kind, [])
        if len(named) < EXAMPLES:
            named.append(document_id)

    def add(self, other: "Findings") -> None:
        """Take those of another workspace along."""
        self.documents += other.documents
        self.vectors += other.vectors
        self.files += other.files
        for kind, ids in other.examples.items():
            self.examples.setdefault(kind, []).extend(ids)
        self.differences.update(other.differences)


@define(kw_only=True)
class _Stores:
    """What index and file store held at one moment, by document; what is left in the end belongs to none."""

    taken_at: datetime
    index: Index  # the one that was looked into
    indexed: dict[DocumentId, dict[int, int]]  # revision → chunks
    files: dict[DocumentId, dict[str, datetime]]  # key → put there at


@frozen(kw_only=True)
class Reconcile:
    """Compare the three stores of one workspace.

    - Only what was at rest is judged: a document that changed since the comparison began is left for the next time.
    - Nothing of a younger file than `grace` is removed: its row may be about to be written.
    - Only the index that searches ask is compared; while another takes its place nothing is judged.
    - Mending goes through the same jobs as everything else, so that it may be done twice.
    """

    begin: UnitOfWorkFactory
    files: FileStore
    generations: Generations
    clock: Clock
    log: Log
    grace: timedelta = timedelta(hours=1)

    async def __call__(self, workspace_id: WorkspaceId, *, repair: bool) -> Findings:
        """What differed; mended where that is possible, with `repair`."""
        findings = Findings()
        stores = await self._look(workspace_id, findings)
        after: DocumentId | None = None
        while True:
            async with self.begin(workspace_id) as work:
                states = await work.documents.inventory(workspace_id, limit=BATCH, after=after)
            if (await self.generations.live_now()).generation.number != stores.index.generation.number:
                return findings
            for state in states:
                await self._judge(workspace_id, state, stores, findings, repair=repair)
            if len(states) < BATCH:
                break
            after = states[-1].id
        await self._without_row(workspace_id, stores, findings, repair=repair)
        if findings.differences:
            counts = {kind.value: count for kind, count in findings.differences.items()}
            self.log.warning("stores_differed", workspace=str(workspace_id), repaired=repair, **counts)
        return findings

    async def _look(self, workspace_id: WorkspaceId, findings: Findings) -> _Stores:
        """The index and the files before the rows: whatever they hold of a document, its row was there first."""
        index = await self.generations.live_now()
        stores = _Stores(taken_at=self.clock.now(), index=index, indexed={}, files={})
        for held in await index.vectors.revisions(workspace_id):
            stores.indexed.setdefault(held.document_id, {})[held.revision] = held.chunks
            findings.vectors += held.chunks
        async for entry in self.files.entries(str(workspace_id)):
            document_id = _document_of(entry.key)
            if document_id is not None:
                stores.files.setdefault(document_id, {})[entry.key] = entry.modified
                findings.files += 1
        return stores

    async def _judge(
        self, workspace_id: WorkspaceId, state: DocumentState, stores: _Stores, findings: Findings, *, repair: bool
    ) -> None:
        findings.documents += 1
        indexed = stores.indexed.pop(state.id, {})
        files = stores.files.pop(state.id, {})
        if state.updated_at >= stores.taken_at or (not state.is_deleted and state.status not in SETTLED):
            return
        jobs: list[AnyJob] = []
        if state.is_deleted:
            if state.updated_at < stores.taken_at - self.grace:
                findings.note(Difference.UNERASED, state.id)
                jobs.append(EraseDocument(workspace_id=workspace_id, document_id=state.id))
        else:
            await self._judge_vectors(workspace_id, state, stores.index, indexed, findings, repair=repair)
            await self._judge_files(state, files, stores.taken_at, findings, repair=repair)
            if state.old_chunks and state.live_revision is not None:
                findings.note(Difference.ORPHANED_CHUNKS, state.id)
                jobs.append(
                    RemoveOldRevisions(
                        workspace_id=workspace_id, document_id=state.id, live_revision=state.live_revision
                    )
                )
        if jobs and repair:
            async with self.begin(workspace_id) as work:
                await work.jobs.enqueue(jobs)
                await work.commit()

    async def _judge_vectors(
        self,
        workspace_id: WorkspaceId,
        state: DocumentState,
        index: Index,
        indexed: dict[int, int],
        findings: Findings,
        *,
        repair: bool,
    ) -> None:
        for revision in indexed.keys() - {state.live_revision}:
            findings.note(Difference.ORPHANED_VECTORS, state.id)
            if repair:
                await index.vectors.delete_revision(workspace_id, state.id, revision)
        if state.live_revision is None:
            return
        # `chunk_count` is of the live revision: a failed younger one leaves it alone
        kind = None
        if state.live_chunks != state.chunk_count:
            kind = Difference.MISSING_CHUNKS
        elif indexed.get(state.live_revision, 0) != state.live_chunks:
            kind = Difference.MISSING_VECTORS
        if kind is not None:
            findings.note(kind, state.id)
            if repair:
                await reindex(self.begin, workspace_id, state.id, self.clock)

    async def _judge_files(
        self, state: DocumentState, files: dict[str, datetime], now: datetime, findings: Findings, *, repair: bool
    ) -> None:
        if state.file_key not in files and await self.files.size(state.file_key) is None:
            findings.note(Difference.MISSING_FILE, state.id)
        others = [key for key in files if key != state.file_key]
        await self._remove_files(state.id, others, files, now, findings, repair=repair)

    async def _without_row(
        self, workspace_id: WorkspaceId, stores: _Stores, findings: Findings, *, repair: bool
    ) -> None:
        """What belongs to no document at all."""
        gone = list(stores.indexed)
        for document_id in gone:
            findings.note(Difference.ORPHANED_VECTORS, document_id)
        if repair:
            for start in range(0, len(gone), BATCH):
                await stores.index.vectors.delete_documents(workspace_id, gone[start : start + BATCH])
        for document_id, files in stores.files.items():
            await self._remove_files(document_id, list(files), files, stores.taken_at, findings, repair=repair)

    async def _remove_files(
        self,
        document_id: DocumentId,
        keys: Sequence[str],
        files: dict[str, datetime],
        now: datetime,
        findings: Findings,
        *,
        repair: bool,
    ) -> None:
        for key in keys:
            if files[key] < now - self.grace:
                findings.note(Difference.ORPHANED_FILES, document_id)
                if repair:
                    await self.files.delete(key)


@frozen(kw_only=True)
class ReconcileAll:
    """Compare the stores of every workspace."""

    begin: UnitOfWorkFactory
    reconcile: Reconcile

    async def __call__(self, *, repair: bool) -> Findings:
        """The findings of all together."""
        total = Findings()
        async with self.begin(None) as work:
            workspaces = await work.workspaces.all_ids()
        for workspace_id in workspaces:
            total.add(await self.reconcile(workspace_id, repair=repair))
        return total


def _document_of(key: str) -> DocumentId | None:
    """Of `{workspace}/{document}/{revision}`; None for what is not ours."""
    try:
        return DocumentId(UUID(key.split("/")[1]))
    except (IndexError, ValueError):
        return None
