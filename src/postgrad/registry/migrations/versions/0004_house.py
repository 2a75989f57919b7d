"""Evaluations with their runs and items; further names of models; monthly quotas; what stands behind a job."""

import sqlalchemy as sa
from alembic import op

revision = "0004_house"
down_revision = "0003_jobs"
OF_JOBS = {"begun_at": sa.BigInteger(), "work": sa.BigInteger(), "start": sa.String(255), "report": sa.String(80)}


def _owned() -> list[sa.Column]:
    return [
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("project", sa.String(128), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    ]


def upgrade() -> None:
    _evals()
    op.create_table(
        "model_names",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("origin", sa.JSON, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "key_usage",
        sa.Column("key_id", sa.String(32), sa.ForeignKey("api_keys.key_id"), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("tokens", sa.BigInteger, nullable=False),
    )
    op.add_column("api_keys", sa.Column("tokens_per_month", sa.BigInteger))
    for name, kind in OF_JOBS.items():
        op.add_column("jobs", sa.Column(name, kind))


def _evals() -> None:
    op.create_table(
        "evals",
        *_owned(),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("config", sa.JSON, nullable=False),
        sa.Column("criteria", sa.JSON, nullable=False),
        sa.Column("labels", sa.JSON),
    )
    op.create_index("ix_evals_owner", "evals", ["organization", "project", "number"])
    op.create_table(
        "eval_runs",
        *_owned(),
        sa.Column("eval_id", sa.String(64), sa.ForeignKey("evals.id"), nullable=False),
        sa.Column("key_id", sa.String(32)),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("model", sa.String(512), nullable=False),
        sa.Column("data_source", sa.JSON, nullable=False),
        sa.Column("labels", sa.JSON),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("counts", sa.JSON, nullable=False),
        sa.Column("by_criterion", sa.JSON, nullable=False),
        sa.Column("usage", sa.JSON, nullable=False),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("lease", sa.String(64)),
        sa.Column("heartbeat", sa.Double),
    )
    op.create_index("ix_eval_runs_status", "eval_runs", ["status"])
    op.create_index("ix_eval_runs_eval_id", "eval_runs", ["eval_id"])
    op.create_table(
        "eval_items",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("run_id", sa.String(64), sa.ForeignKey("eval_runs.id"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("item", sa.JSON, nullable=False),
        sa.Column("results", sa.JSON, nullable=False),
        sa.Column("sample", sa.JSON, nullable=False),
        sa.UniqueConstraint("run_id", "place"),
    )
    op.create_index("ix_eval_items_run_id", "eval_items", ["run_id"])


def downgrade() -> None:
    for name in OF_JOBS:
        op.drop_column("jobs", name)
    op.drop_column("api_keys", "tokens_per_month")
    for table in ("key_usage", "model_names", "eval_items", "eval_runs", "evals"):
        op.drop_table(table)
