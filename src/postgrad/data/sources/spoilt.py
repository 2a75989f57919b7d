"""Whatever a reader of files meets in a damaged file, the user gets one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from postgrad.errors import DataError, PostgradError
from postgrad.storage import DISK_ERRORS


@contextmanager
def unspoilt(file: str) -> Iterator[None]:
    """Turns what readers of others raise on a damaged file into an error that names the file.

    Raises:
        DataError: the file cannot be read; the reader's own error is its cause.
    """
    try:
        yield
    except PostgradError:
        raise
    except MemoryError as error:
        raise DataError(f"{file} needs more memory than there is.", "Is it damaged? Else give a part of it.") from error
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise
        raise _damaged(file, error) from error
    except Exception as error:
        raise _damaged(file, error) from error


def _damaged(file: str, error: Exception) -> DataError:
    said = " ".join(str(error).split())[:200]
    return DataError(
        f"{file} cannot be read: its reader stopped ({type(error).__name__}{': ' + said if said else ''}).",
        "The file is damaged, or of a variant that is not known: get it again, or save it anew by the program that made"
        " it.",
    )
