"""Generations of the index, and which one passages and pages belong to; what is there belongs to the first."""

import sqlalchemy as sa

from alembic import op

revision = "20261128_index_generations"
down_revision = "20261128_spent_tokens"
branch_labels = None
depends_on = None

ROLE = "readingroom_app"


def upgrade() -> None:
    op.create_table(
        "index_generations",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("state", "model", "name")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("dimensions", "cutting", "words")),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("live_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('building', 'live', 'retired', 'removed')", name=op.f("ck_index_generations_state")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_index_generations")),
    )
    for state in ("live", "building"):
        op.create_index(
            f"uq_index_generations_{state}",
            "index_generations",
            ["state"],
            unique=True,
            postgresql_where=sa.text(f"state = '{state}'"),
        )
    op.execute(f"GRANT SELECT ON index_generations TO {ROLE}")
    for table in ("chunks", "pages"):
        op.add_column(table, sa.Column("generation", sa.Integer(), server_default="1", nullable=False))
    op.drop_constraint("uq_chunks_document_id_revision_ordinal", "chunks")
    op.create_unique_constraint(
        "uq_chunks_document_id_revision_generation_ordinal",
        "chunks",
        ["document_id", "revision", "generation", "ordinal"],
    )
    op.drop_constraint("pk_pages", "pages")
    op.create_primary_key("pk_pages", "pages", ["document_id", "revision", "generation", "number"])


def downgrade() -> None:
    # of several generations only one fits: what is not of the live one goes
    live = "coalesce((SELECT number FROM index_generations WHERE state = 'live'), 1)"
    for table in ("chunks", "pages"):
        op.execute(f"DELETE FROM {table} WHERE generation <> {live}")  # noqa: S608 our own names
    op.drop_constraint("pk_pages", "pages")
    op.create_primary_key("pk_pages", "pages", ["document_id", "revision", "number"])
    op.drop_constraint("uq_chunks_document_id_revision_generation_ordinal", "chunks")
    op.create_unique_constraint(
        "uq_chunks_document_id_revision_ordinal", "chunks", ["document_id", "revision", "ordinal"]
    )
    for table in ("chunks", "pages"):
        op.drop_column(table, "generation")
    op.drop_table("index_generations")
