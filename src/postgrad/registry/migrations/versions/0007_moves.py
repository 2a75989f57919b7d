"""What a move of an alias was decided by and whether it was taken back; and the exports of models.

A name that nothing was promoted of was answered by its newest version. From here on a bare name is answered by
`production` alone: the newest version of such a name becomes that, so that an upgrade changes nobody's answers.
"""

import datetime

import sqlalchemy as sa
from alembic import op

revision = "0007_moves"
down_revision = "0006_deaths"
REASON = "the bare name was answered by it before bare names meant what was promoted alone"


def upgrade() -> None:
    op.add_column("aliases", sa.Column("undone", sa.DateTime(timezone=True), nullable=True))
    op.add_column("aliases", sa.Column("reason", sa.Text, nullable=False, server_default=""))
    op.add_column("aliases", sa.Column("evidence", sa.JSON, nullable=True))
    op.create_table(
        "exports",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("model_id", sa.Integer, sa.ForeignKey("models.id"), nullable=False, index=True),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("quantization", sa.String(32), nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("files", sa.JSON, nullable=False),
        sa.Column("parity", sa.JSON, nullable=False),
        sa.Column("made", sa.DateTime(timezone=True), nullable=False),
    )
    _keep_answering()


def _keep_answering() -> None:
    connection = op.get_bind()
    models = sa.table(
        "models",
        *(sa.column(name) for name in ("id", "name", "version", "deleted", "details")),
    )
    aliases = sa.table(
        "aliases",
        *(sa.column(name) for name in ("name", "alias", "model_id", "reason")),
        sa.column("moved", sa.DateTime(timezone=True)),
    )
    promoted = set(connection.execute(sa.select(aliases.c.name).where(aliases.c.alias == "production")).scalars())
    newest: dict[str, int] = {}
    standing = sa.select(models.c.name, models.c.id).where(sa.not_(models.c.deleted)).order_by(models.c.version)
    for name, number in connection.execute(standing):
        if name not in promoted and not name.startswith("ft:"):
            newest[name] = number
    now = datetime.datetime.now(datetime.UTC)
    for name, number in newest.items():
        row = {"name": name, "alias": "production", "model_id": number, "reason": REASON, "moved": now}
        connection.execute(aliases.insert().values(**row))


def downgrade() -> None:
    op.drop_table("exports")
    for column in ("evidence", "reason", "undone"):
        op.drop_column("aliases", column)
