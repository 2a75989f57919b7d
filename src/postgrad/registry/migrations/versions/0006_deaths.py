"""How often an evaluation run's worker fell silent."""

import sqlalchemy as sa
from alembic import op

revision = "0006_deaths"
down_revision = "0005_looks"


def upgrade() -> None:
    op.add_column("eval_runs", sa.Column("deaths", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("eval_runs", "deaths")
