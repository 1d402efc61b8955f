"""Talks and turns."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "talks",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("session", sa.JSON, nullable=False),
        sa.Column("turns", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )
    op.create_index("ix_talks_updated_at", "talks", ["updated_at"])
    op.create_table(
        "turns",
        sa.Column("talk_id", sa.String(64), sa.ForeignKey("talks.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("source", sa.String(16), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("node", sa.String(64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("took_ms", sa.Float, nullable=False),
        sa.Column("reply", sa.JSON, nullable=False),
        sa.UniqueConstraint("talk_id", "number"),
    )


def downgrade() -> None:
    op.drop_table("turns")
    op.drop_table("talks")
