"""Files, uploads and fine-tuning jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0003_jobs"
down_revision = "0002_keys"


def _number() -> sa.Column:
    return sa.Column("number", sa.Integer, primary_key=True, autoincrement=True)


def _owned() -> list[sa.Column]:
    return [
        _number(),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("project", sa.String(128), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    ]


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":  # SQLite holds no one to a length
        op.alter_column("models", "name", type_=sa.String(255))
        op.alter_column("aliases", "name", type_=sa.String(255))
    _files()
    _jobs()
    _of_jobs()


def _files() -> None:
    op.create_table(
        "files",
        *_owned(),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("filename", sa.String(512), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(80), nullable=False),
    )
    op.create_index("ix_files_owner", "files", ["organization", "project", "number"])
    op.create_table(
        "uploads",
        *_owned(),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("filename", sa.String(512), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("lifetime", sa.BigInteger),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("file_id", sa.String(64)),
    )
    op.create_table(
        "upload_parts",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("upload_id", sa.String(64), sa.ForeignKey("uploads.id"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_upload_parts_upload_id", "upload_parts", ["upload_id"])


def _jobs() -> None:
    op.create_table(
        "jobs",
        *_owned(),
        sa.Column("finished_at", sa.BigInteger),
        sa.Column("estimated_finish", sa.BigInteger),
        sa.Column("model", sa.String(512), nullable=False),
        sa.Column("base", sa.String(512), nullable=False),
        sa.Column("result_name", sa.String(255), nullable=False),
        sa.Column("status", sa.String(24), nullable=False),
        sa.Column("training_file", sa.String(64), nullable=False),
        sa.Column("validation_file", sa.String(64)),
        sa.Column("suffix", sa.String(64)),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("method", sa.JSON, nullable=False),
        sa.Column("hyperparameters", sa.JSON, nullable=False),
        sa.Column("extra", sa.JSON, nullable=False),
        sa.Column("labels", sa.JSON),
        sa.Column("integrations", sa.JSON, nullable=False),
        sa.Column("error", sa.JSON),
        sa.Column("fine_tuned_model", sa.String(255)),
        sa.Column("trained_tokens", sa.BigInteger),
        sa.Column("result_file", sa.String(64)),
        sa.Column("request_hash", sa.String(80), nullable=False),
        sa.Column("examples", sa.Integer),
        sa.Column("host", sa.String(64), nullable=False),
        sa.Column("device", sa.String(128), unique=True),
        sa.Column("lease", sa.String(64)),
        sa.Column("worker_pid", sa.Integer),
        sa.Column("worker_started", sa.Double),
        sa.Column("heartbeat", sa.Double),
        sa.Column("deaths", sa.Integer, nullable=False),
        sa.Column("furthest", sa.Integer, nullable=False),
        sa.Column("furthest_before", sa.Integer, nullable=False),
        sa.Column("notice_due", sa.Double),
        sa.Column("notices", sa.Integer, nullable=False),
    )
    op.create_index("ix_jobs_owner", "jobs", ["organization", "project", "number"])
    op.create_index("ix_jobs_queue", "jobs", ["status"])
    op.create_index("ix_jobs_request_hash", "jobs", ["request_hash"])


def _of_jobs() -> None:
    op.create_table(
        "job_labels",
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id"), primary_key=True),
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(512), nullable=False),
    )
    op.create_table(
        "job_events",
        _number(),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_index("ix_job_events_job_id", "job_events", ["job_id"])
    op.create_table(
        "job_checkpoints",
        _number(),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("job_id", sa.String(64), sa.ForeignKey("jobs.id"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.UniqueConstraint("job_id", "step"),
    )
    op.create_index("ix_job_checkpoints_job_id", "job_checkpoints", ["job_id"])
    op.create_index("ix_job_checkpoints_model", "job_checkpoints", ["model"])
    op.create_table(
        "checkpoint_permissions",
        _number(),
        sa.Column("id", sa.String(64), nullable=False, unique=True),
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("checkpoint", sa.String(255), nullable=False),
        sa.Column("project_id", sa.String(128), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("checkpoint", "project_id"),
    )
    op.create_index("ix_checkpoint_permissions_checkpoint", "checkpoint_permissions", ["checkpoint"])


def downgrade() -> None:
    for table in (
        "checkpoint_permissions",
        "job_checkpoints",
        "job_events",
        "job_labels",
        "jobs",
        "upload_parts",
        "uploads",
        "files",
    ):
        op.drop_table(table)
