"""What a training process makes known: checkpoints, the model, the result file, and errors; each once, however often it
was started again."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from postgrad.blobs import Blobs
from postgrad.errors import DataError, GateError, PostgradError, StorageError, TrainingError, UsageError
from postgrad.models.base_models import find_model
from postgrad.models.rendering.render import load_renderer
from postgrad.recipe import Recipe
from postgrad.registry.catalogue import CHECKPOINT
from postgrad.registry.job_tables import CheckpointRow, FileRow, JobRow
from postgrad.serving.jobs.job_figures import metrics, result_csv
from postgrad.serving.jobs.job_folder import JobFolder
from postgrad.serving.jobs.lease import Lease
from postgrad.serving.jobs.leases import LeaseLostError
from postgrad.serving.jobs.queue import Error
from postgrad.serving.storage import file_contents
from postgrad.serving.storage.store import new_id, now
from postgrad.storage import sha256_file
from postgrad.workflows.fine_tune import FineTuned, ValidationFileError

CHECKPOINTS = 3
"""So many of a job's checkpoints are listed and can be asked, as at OpenAI."""


@dataclass
class Publisher:
    """Makes a job's results known under its lease.

    Attributes:
        recipe: What is trained.
        known: Steps whose checkpoints are registered.
    """

    lease: Lease
    row: JobRow
    folder: JobFolder
    recipe: Recipe
    known: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        with self.lease.store.reading() as session:
            steps = select(CheckpointRow.step).where(CheckpointRow.job_id == self.row.id)
            self.known = set(session.scalars(steps))

    def new_checkpoints(self) -> list[int]:
        """Steps whose weights the training kept and that are not registered yet."""
        kept = (int(path.name.removeprefix("step-")) for path in self.folder.run.snapshots.glob("step-*"))
        return sorted(set(kept) - self.known)

    def add_checkpoint(self, step: int) -> None:
        """Registers the weights of a step; of the older ones those beyond the last three go."""
        name = f"{self.row.result_name}{CHECKPOINT}{step}"
        self._register(
            name, Blobs().put_folder(self.folder.run.snapshots / f"step-{step:06d}"), self._data(), step=step
        )
        taken = next((s for s in self.folder.run.read_steps() if s.step == step), None)
        figures = {"step": step} if taken is None else metrics(taken).data
        figures.pop("total_steps", None)
        for model in self.lease.patiently(lambda: self.lease.add_checkpoint(step, name, figures, CHECKPOINTS)):
            self.lease.store.catalogue.delete(f"{model}@1")
        self.known.add(step)

    def finish(self, done: FineTuned, report: str | None = None) -> None:
        """The model, the result file and the job's end; `report` is the digest of the job's report.

        Raises:
            LeaseLostError: the job was cancelled meanwhile, or is another process's.
        """
        part, row = done.result.part, self.row
        self._register(
            row.result_name,
            done.result.blob,
            done.data_hash,
            report,
            dtype=done.dtype,
            trace=done.trace,
            canary=done.canary,
            training=part.model_dump(exclude={"train_loss", "metrics"}),
        )
        with file_contents.incoming() as path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(result_csv(part))
            result = FileRow(
                id=new_id("file-"),
                organization=row.organization,
                project=row.project,
                created_at=now(),
                expires_at=None,
                filename="step_metrics.csv",
                purpose="fine-tune-results",
                bytes=path.stat().st_size,
                digest=sha256_file(path),
            )
            file_contents.keep(path, result.id)
        try:
            self.lease.patiently(lambda: self.lease.succeed(row.result_name, part.tokens, result, report))
        except LeaseLostError:
            file_contents.forget(result.id)
            if self.lease.status() == "cancelled":
                self.lease.store.catalogue.delete(f"{row.result_name}@1")
            raise

    def _register(self, name: str, blob: str, data_hash: str, report: str | None = None, **more: Any) -> None:
        """Enters a model in the registry; the same again is the entry that is there."""
        row = self.row
        if self.lease.status() not in ("running", "pausing"):
            raise LeaseLostError(row.id)
        base = find_model(row.base)
        details = {
            "system_prompt": self.recipe.data.system_prompt,
            "passages": 0,
            "organization": row.organization,
            "project": row.project,
            "job": row.id,
            **({"trained_from": row.start} if row.start else {}),
            **more,
        }
        self.lease.patiently(
            lambda: self.lease.store.catalogue.add(
                name=name,
                base=row.base,
                base_hash=base.hash,
                method=self.recipe.training.method,
                blob=blob,
                template=load_renderer(base).fingerprint,
                data_hash=data_hash,
                report=report,
                details=details,
            )
        )

    def _data(self) -> str:
        return sha256_file(self.folder.training)


def told_to_client(error: PostgradError | OSError, row: JobRow, folder: JobFolder) -> Error:
    """A foreseen error as the job's error object."""
    cause = error if isinstance(error, OSError) else error.__cause__
    if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return Error(
            "disk_full",
            "The server's disk is full. Free some space on it and create the job again.",
        )
    message = without_paths(str(error).replace("--accept ", "accept="), row, folder)
    if isinstance(error, ValidationFileError):
        return Error("invalid_validation_file", message, "validation_file")
    if isinstance(error, DataError | GateError):
        return Error("invalid_training_file", message, "training_file")
    if isinstance(error, UsageError):
        return Error("invalid_hyperparameters", message, "hyperparameters")
    if isinstance(error, StorageError):
        return Error("storage_error", message)
    return Error("training_failed" if isinstance(error, TrainingError) else "server_error", message)


def without_paths(text: str, row: JobRow, folder: JobFolder) -> str:
    """The same with files under the names that the client knows."""
    named = text.replace(str(folder.training), row.training_file)
    return named.replace(str(folder.validation), row.validation_file or "").replace(str(folder.path), row.id)
