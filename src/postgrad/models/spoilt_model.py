"""Whatever the readers of others meet in a model's damaged or odd files, the user gets one clear error."""

from __future__ import annotations

from contextlib import AbstractContextManager

from postgrad.errors import ModelError
from postgrad.storage import by_others


def unspoilt_model(where: str) -> AbstractContextManager[None]:
    """Turns what readers raise on a model's files into an error that says which model.

    Args:
        where: Its folder or file.

    Raises:
        ModelError: it cannot be used; the reader's own error is its cause.
    """

    def told(error: Exception) -> ModelError:
        if isinstance(error, MemoryError):
            return ModelError(
                f"The model in {where!r} needs more memory than there is.", "Is it damaged? Else take a smaller one."
            )
        return ModelError(
            f"The model in {where!r} cannot be loaded: {type(error).__name__}: {_first_line(error)}",
            "Are its files whole? Fetch or copy it again.",
        )

    return by_others(told)


def _first_line(error: Exception) -> str:
    """What a library's error says, without the advice that follows it."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]
