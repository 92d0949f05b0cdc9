"""The table of the index's generations, as SQLAlchemy Core sees it; see `tables` for the others."""

from sqlalchemy import CheckConstraint, Column, DateTime, Index, Integer, ScalarSelect, Table, Text, func, select, text

from adapters.postgres.tables import metadata

index_generations = Table(  # of the whole installation: no workspace has an index of its own
    "index_generations",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("cutting", Integer, nullable=False),
    Column("words", Integer, nullable=False),
    Column("collection", Text, nullable=False),
    Column("problem", Text),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("live_at", DateTime(timezone=True)),
    Column("retired_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('building', 'live', 'retired', 'removed')", name="state"),
    Index("uq_index_generations_live", "state", unique=True, postgresql_where=text("state = 'live'")),
    Index("uq_index_generations_building", "state", unique=True, postgresql_where=text("state = 'building'")),
)


def live_generation() -> ScalarSelect[int]:
    """The number of the live one; before the first is recorded, what is there belongs to number 1."""
    live = select(index_generations.c.number).where(index_generations.c.state == "live").scalar_subquery()
    return select(func.coalesce(live, 1)).scalar_subquery()
