"""Generations of the index, and what the database holds of each."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, delete, exists, func, literal_column, select, text, update
from sqlalchemy.dialects import postgresql

from adapters.postgres.generation_tables import index_generations
from adapters.postgres.mapping_values import Values
from adapters.postgres.session import Session, one_of
from adapters.postgres.tables import chunks, documents, pages
from application.errors import AlreadyExists
from application.ports.generations import HeldPassages, Unbuilt
from domain.generations import Generation, GenerationState, Recipe
from domain.ids import DocumentId, WorkspaceId

_LOCK: Final = 0x496E6478  # "Indx"; any number that nobody else locks in this database
_HOLD: Final = text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})")
_HOLD_ALONE: Final = text(f"SELECT pg_advisory_xact_lock({_LOCK})")


class PostgresGenerations:
    """Keeps the promises of `application.ports.generations.GenerationRecords`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def all(self) -> list[Generation]:
        """All there ever were, by number."""
        rows = await self._session.all(select(index_generations).order_by(index_generations.c.number))
        return [_generation_from(row) for row in rows]

    async def add(self, generation: Generation) -> None:
        """A new one; `AlreadyExists` when the number is taken, or another is live or being built as well."""
        added = await self._session.execute(
            postgresql.insert(index_generations).values(_values(generation)).on_conflict_do_nothing()
        )
        if not added.rowcount:
            raise AlreadyExists("There is such a generation.", constraint="pk_index_generations")

    async def save(self, generation: Generation) -> None:
        """Its present state."""
        await self._session.execute(
            update(index_generations).where(index_generations.c.number == generation.number).values(_values(generation))
        )

    async def hold(self) -> None:
        """A lock that many may have at once, and nobody beside `hold_alone`."""
        await self._session.execute(_HOLD)

    async def hold_alone(self) -> None:
        """A lock for one."""
        await self._session.execute(_HOLD_ALONE)

    async def unbuilt(self, number: int, *, limit: int) -> Sequence[Unbuilt]:
        """Live documents whose live revision has no passages in that generation, oldest first."""
        rows = await self._session.all(
            select(documents.c.workspace_id, documents.c.id, documents.c.live_revision, documents.c.size)
            .where(_is_live(), ~_stands_in(number))
            .order_by(documents.c.id)
            .limit(limit)
        )
        return [
            Unbuilt(
                workspace_id=row["workspace_id"],
                document_id=row["id"],
                revision=row["live_revision"],
                size=row["size"],
            )
            for row in rows
        ]

    async def progress(self, number: int) -> tuple[int, int]:
        """How many live documents stand in it, and how many there are."""
        row = await self._session.one(
            select(func.count().filter(_stands_in(number)).label("built"), func.count().label("documents")).where(
                _is_live()
            )
        )
        return (row["built"], row["documents"]) if row else (0, 0)

    async def held(self, workspace_id: WorkspaceId, number: int) -> list[HeldPassages]:
        """What a workspace's documents have in it."""
        rows = await self._session.all(
            select(chunks.c.document_id, chunks.c.revision, func.count().label("chunks"))
            .where(chunks.c.workspace_id == workspace_id, chunks.c.generation == number)
            .group_by(chunks.c.document_id, chunks.c.revision)
        )
        return [HeldPassages(**row) for row in rows]

    async def adopt(self, number: int, now: datetime) -> None:
        """Documents tell the counts of that generation; whoever changes one meanwhile loads it again."""
        counted = (
            select(chunks.c.document_id, chunks.c.revision, func.count().label("chunks"))
            .where(chunks.c.generation == number)
            .group_by(chunks.c.document_id, chunks.c.revision)
            .subquery()
        )
        await self._session.execute(
            update(documents)
            .where(
                documents.c.id == counted.c.document_id,
                documents.c.live_revision == counted.c.revision,
                documents.c.chunk_count != counted.c.chunks,
            )
            .values(chunk_count=counted.c.chunks, version=documents.c.version + 1, updated_at=now)
        )

    async def forget(self, number: int, document_ids: Sequence[DocumentId]) -> None:
        """Remove the passages of these documents from it."""
        for table in (chunks, pages):
            await self._session.execute(
                delete(table).where(table.c.generation == number, one_of(table.c.document_id, document_ids))
            )

    async def remove_passages(self, number: int, *, limit: int) -> int:
        """Remove passages and pages of that generation; how many went."""
        removed = 0
        for table in (chunks, pages):
            place: ColumnElement[Any] = literal_column(f"{table.name}.ctid")
            some = select(place).select_from(table).where(table.c.generation == number).limit(limit)
            gone = await self._session.execute(delete(table).where(place.in_(some)))
            removed += gone.rowcount
        return removed


def _is_live() -> ColumnElement[bool]:
    return documents.c.deleted_at.is_(None) & documents.c.live_revision.is_not(None)


def _stands_in(number: int) -> ColumnElement[bool]:
    """Passages of a revision are stored together, so the first stands for all."""
    return exists(
        select(chunks.c.id).where(
            chunks.c.document_id == documents.c.id,
            chunks.c.revision == documents.c.live_revision,
            chunks.c.generation == number,
            chunks.c.ordinal == 0,
        )
    )


def _values(generation: Generation) -> Values:
    recipe = generation.recipe
    return {
        "number": generation.number,
        "state": generation.state.value,
        "model": recipe.model,
        "name": recipe.name,
        "dimensions": recipe.dimensions,
        "cutting": recipe.cutting,
        "words": recipe.words,
        "collection": generation.collection,
        "problem": generation.problem,
        "created_at": generation.created_at,
        "live_at": generation.live_at,
        "retired_at": generation.retired_at,
    }


def _generation_from(row: RowMapping) -> Generation:
    return Generation(
        number=row["number"],
        recipe=Recipe(
            model=row["model"],
            name=row["name"],
            dimensions=row["dimensions"],
            cutting=row["cutting"],
            words=row["words"],
        ),
        collection=row["collection"],
        state=GenerationState(row["state"]),
        problem=row["problem"],
        created_at=row["created_at"],
        live_at=row["live_at"],
        retired_at=row["retired_at"],
    )
