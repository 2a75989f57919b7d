"""Whatever a reader of files meets in a damaged file, the user gets one clear error."""

from __future__ import annotations

from contextlib import AbstractContextManager

from postgrad.errors import DataError
from postgrad.storage import by_others


def unspoilt(file: str) -> AbstractContextManager[None]:
    """Turns what readers of others raise on a damaged file into an error that names the file.

    Raises:
        DataError: the file cannot be read; the reader's own error is its cause.
    """

    def told(error: Exception) -> DataError:
        if isinstance(error, MemoryError):
            return DataError(f"{file} needs more memory than there is.", "Is it damaged? Else give a part of it.")
        said = " ".join(str(error).split())[:200]
        return DataError(
            f"{file} cannot be read: its reader stopped ({type(error).__name__}{': ' + said if said else ''}).",
            "The file is damaged, or of a variant that is not known: get it again, or save it anew by the program that"
            " made it.",
        )

    return by_others(told)
