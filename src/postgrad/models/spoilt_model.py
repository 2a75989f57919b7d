"""Whatever the readers of others meet in a model's damaged or odd files, the user gets one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from postgrad.errors import ModelError, PostgradError
from postgrad.storage import DISK_ERRORS


def first_line(error: Exception) -> str:
    """What a library's error says, without the advice that follows it."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)[:300]


@contextmanager
def unspoilt_model(where: str) -> Iterator[None]:
    """Turns what readers raise on a model's files into an error that says which model.

    Args:
        where: Its folder or file.

    Raises:
        ModelError: it cannot be used; the reader's own error is its cause.
    """
    try:
        yield
    except PostgradError:
        raise
    except MemoryError as error:
        raise ModelError(
            f"The model in {where!r} needs more memory than there is.", "Is it damaged? Else take a smaller one."
        ) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        raise ModelError(
            f"The model in {where!r} cannot be loaded: {type(error).__name__}: {first_line(error)}",
            "Are its files whole? Fetch or copy it again.",
        ) from error
