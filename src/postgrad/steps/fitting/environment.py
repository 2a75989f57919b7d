"""The environment that a recipe names: a class in a file of the user's, where the user allows his code to run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.own import SWITCH, load_named
from postgrad.records import Record, Task
from postgrad.storage import sha256_file
from postgrad.training.rollouts import RolloutOptions
from postgrad.training.sampled.environment import Environment
from postgrad.training_settings import TrainingSettings


def environment_of(
    settings: TrainingSettings, records: Sequence[Record], *, own_code: bool
) -> tuple[Environment, str] | None:
    """The environment that the settings name, with a hash of its file; None where they name none.

    Args:
        records: All tasks that it will be begun for.
        own_code: Whether code of the user's may run in this process.

    Raises:
        UsageError: own code is not switched on, the class is not there, or has not the form.
        DataError: tasks lack fields that it requires.
    """
    options = settings.options
    named = options.environment if isinstance(options, RolloutOptions) else None
    if named is None:
        return None
    file, colon, name = named.rpartition(":")
    if not colon or not file:
        raise UsageError(f"training.environment is {named!r}.", "Write it as path/to/file.py:Class.")
    if not own_code:
        raise UsageError(
            f"The environment {named} is a program that would run on this machine with your rights.",
            f"If you trust it, switch it on: {SWITCH}.",
        )
    environment = Environment(load_named(Path(file), name, "environment", "training.environment=FILE.py:CLASS"), name)
    environment.refuse_unfit([r for r in records if isinstance(r, Task)])
    return environment, f"{named} {sha256_file(Path(file))}"
