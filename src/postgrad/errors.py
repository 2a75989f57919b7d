"""Every error that postgrad raises on purpose, and the exit code that the command line gives it.

PostgradError                 anything that we foresee; one clear message: what, where, how to mend it
├── UsageError                wrong options or settings                                        exit 2
├── DataError                 a file or record that cannot be used                             exit 2
├── ModelError                a model that cannot be had, loaded or used as asked              exit 2
│   └── NoAnswersError        a reward model where one is wanted that answers                  exit 2
├── StorageError              a full disk, no permission, a damaged store                      exit 2
├── TrainingError             a training that cannot start or had to stop                      exit 2
├── GateError                 a check or gate said no                                          exit 1
└── Interrupted               Ctrl-C or a control file; carries the command that resumes       exit 130

Other exceptions are faults of ours and fly with their traceback.
"""

from __future__ import annotations


class PostgradError(Exception):
    """Base of all foreseen errors.

    Args:
        message: What went wrong and where, in one or two sentences.
        mend: What the user can do about it; printed on its own line.
    """

    exit_code = 2

    def __init__(self, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.message}\n{self.mend}" if self.mend else self.message


class UsageError(PostgradError):
    """An option, setting or combination that makes no sense."""


class DataError(PostgradError):
    """Input that cannot be read, or a record that cannot be used."""


class ModelError(PostgradError):
    """A model that cannot be had, loaded, or used in the way that was asked."""


class NoAnswersError(ModelError):
    """A reward model where a model is wanted that answers.

    Args:
        name: Of the model, where it is known.
    """

    def __init__(self, name: str = "") -> None:
        super().__init__(
            f"{name or 'This'} is a reward model: it says what an answer is worth, and has no answers of its own.",
            f"Name it as a grader: postgrad train DATA --objective ppo --set grader=reward:{name or 'NAME'}",
        )


class StorageError(PostgradError):
    """A full disk, missing permission, or a damaged store."""


class TrainingError(PostgradError):
    """A training that cannot start, or that had to stop."""


class GateError(PostgradError):
    """A check or gate said no: nothing is broken, but the answer is negative."""

    exit_code = 1


class Interrupted(PostgradError):  # noqa: N818 - not an error: the user's wish
    """The user interrupted; `mend` carries the command that resumes."""

    exit_code = 130
