"""Receipts of erased documents."""

from collections.abc import Sequence

import attrs
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from adapters.postgres.session import Session
from adapters.postgres.tables import erasures as table
from domain.erasure import Erasure
from domain.ids import DocumentId


class PostgresErasures:
    """Keeps the promises of `application.ports.repositories.Erasures`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, erasures: Sequence[Erasure]) -> None:
        """Keep them; one that is there already stays as it is."""
        if erasures:
            await self._session.execute(
                postgresql.insert(table).on_conflict_do_nothing(), [attrs.asdict(erasure) for erasure in erasures]
            )

    async def get(self, document_id: DocumentId) -> Erasure | None:
        """The receipt of a document, None while there is none."""
        row = await self._session.one(select(table).where(table.c.document_id == document_id))
        return Erasure(**row) if row else None
