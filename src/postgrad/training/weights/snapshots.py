"""Trained weights as they are after each pass over the data, kept beside the checkpoints: each can be asked as a
model."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from postgrad.progress import Said
from postgrad.storage import folder_atomic
from postgrad.training.loop import Trainer
from postgrad.training.methods import Attached
from postgrad.training_run import RunFolder, Step


def with_snapshots(
    trainer: Trainer, method: Attached, folder: RunFolder, base: str, keep: int, stopped: Callable[[], bool]
) -> Iterator[Step | Said]:
    """Trains; after the last step of a pass the weights lie in the run's folder before the step is yielded.

    Args:
        base: Name of the base model, written into the adapters.
        keep: How many passes' weights stay.
    """
    per_pass = math.ceil(len(trainer.train) / trainer.settings.batch_size) * trainer.objective.repeats
    last = trainer.settings.total_steps

    def due(step: int) -> bool:
        return step > 0 and (step % per_pass == 0 or step == last) and not _path(folder, step).exists()

    def save(step: int) -> None:
        if trainer.world.leads and due(step):
            with folder_atomic(_path(folder, step)) as work:
                method.taken().save(work, base)
            for old in sorted(folder.snapshots.glob("step-*"))[:-keep]:
                shutil.rmtree(old)

    trainer.resume()
    save(trainer.progress.step)  # a training killed between its checkpoint and its snapshot still owes it
    for event in trainer.run(stopped):
        if isinstance(event, Step):
            save(event.step)
        yield event


def _path(folder: RunFolder, step: int) -> Path:
    return folder.snapshots / f"step-{step:06d}"
