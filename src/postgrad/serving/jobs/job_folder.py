"""A job's folder in the home folder: the data it holds, its run, and what its process printed."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from postgrad.serving.storage import file_contents
from postgrad.storage import home, made_once, write_atomic
from postgrad.training_run import RunFolder


@dataclass(frozen=True)
class JobFolder:
    """The files of one job; they are the job's own, whatever happens to the files they came from."""

    path: Path

    @classmethod
    def of(cls, job_id: str) -> JobFolder:
        return cls(home() / "jobs" / file_contents.content_path(job_id).name)

    @property
    def training(self) -> Path:
        return self.path / "training.jsonl"

    @property
    def validation(self) -> Path:
        return self.path / "validation.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "worker.log"

    @property
    def run(self) -> RunFolder:
        return RunFolder(self.path / "run")

    def hold(self, training: str, validation: str | None) -> None:
        """Takes hold of the files' content."""
        file_contents.hold(training, self.training)
        if validation:
            file_contents.hold(validation, self.validation)

    def last_words(self) -> str:
        """The last line that the process printed."""
        try:
            with self.log.open("rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - 4000))
                lines = stream.read().decode("utf-8", "replace").strip().splitlines()
        except OSError:
            return ""
        return lines[-1][:300] if lines else ""

    def dtype(self, probed: str | None = None) -> str | None:
        """The precision that the job began with, which a process that goes on with it must take; kept when first
        probed."""
        path = self.path / "dtype"
        if path.exists():
            return path.read_text("utf-8")
        if probed:
            write_atomic(path, probed)
        return probed

    def clear(self) -> None:
        """Removes all but the log."""
        for path in (self.training, self.validation, self.path / "dtype"):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.run.path, ignore_errors=True)
        if self.path.exists() and not any(self.path.iterdir()):
            self.path.rmdir()


def host_id() -> str:
    """The name of this home folder: jobs run where their files are. Made once."""
    return made_once(home() / "host", secrets.token_hex(8))
