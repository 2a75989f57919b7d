"""The first catalogue: models and aliases."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("base", sa.String(512), nullable=False),
        sa.Column("base_hash", sa.String(80), nullable=False),
        sa.Column("method", sa.String(32), nullable=False),
        sa.Column("blob", sa.String(80), nullable=False),
        sa.Column("template", sa.String(80), nullable=False),
        sa.Column("data_hash", sa.String(80), nullable=False),
        sa.Column("report", sa.String(80)),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.UniqueConstraint("name", "version"),
    )
    op.create_index("ix_models_name", "models", ["name"])
    op.create_table(
        "aliases",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("alias", sa.String(64), nullable=False),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("models.id"), nullable=False),
        sa.Column("moved", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_aliases_name", "aliases", ["name"])


def downgrade() -> None:
    op.drop_table("aliases")
    op.drop_table("models")
