"""Looks at test parts: which recipes were registered and judged on them."""

import sqlalchemy as sa
from alembic import op

revision = "0005_looks"
down_revision = "0004_house"


def upgrade() -> None:
    op.create_table(
        "looks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("test", sa.String(80), nullable=False),
        sa.Column("plan", sa.String(80), nullable=False),
        sa.Column("metric", sa.String(255), nullable=False),
        sa.Column("smallest_worth", sa.Double, nullable=False),
        sa.Column("rules", sa.String(80), nullable=False),
        sa.Column("registered", sa.DateTime(timezone=True), nullable=False),
        sa.Column("number", sa.Integer),
        sa.UniqueConstraint("test", "plan"),
        sa.UniqueConstraint("test", "number"),
    )
    op.create_index("ix_looks_test", "looks", ["test"])


def downgrade() -> None:
    op.drop_table("looks")
