"""Where the content of files lies: in the home folder, under ids that the server made. No name of a client is a
path."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from postgrad.serving.storage.store import new_id
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.strict_json import MOST_PARTS, parts_of
from postgrad.storage import home, storing

MAX_FILE = 512 << 20
MAX_PART = 64 << 20
MAX_LINE = 16 << 20
MAX_UPLOAD = 8 << 30
PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
STALE = 3 * 3600
"""An unfinished file so many seconds old has no writer any more."""


def max_file() -> int:
    """Most bytes of a file: `POSTGRAD_MAX_FILE_BYTES`, or OpenAI's 512 MB."""
    return int(os.environ.get("POSTGRAD_MAX_FILE_BYTES") or MAX_FILE)


def content_path(identifier: str) -> Path:
    """Where the content of a file or part lies."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", identifier):
        raise ValueError(f"{identifier!r} is no id")
    return home() / "files" / identifier


@contextmanager
def incoming() -> Iterator[Path]:
    """The name of a new file; what lies there when the block ends is removed."""
    path = home() / "files" / new_id(".incoming-")
    try:
        yield path
    finally:
        with suppress(OSError):  # on a disk that is read-only now; swept later
            path.unlink(missing_ok=True)


def keep(path: Path, identifier: str) -> None:
    """Gives an incoming file its name, on disk for good."""
    with storing(path.parent):
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        os.chmod(path, 0o600)
        os.replace(path, content_path(identifier))


def joined(parts: list[str], target: Path) -> None:
    """Puts the contents of parts one after the other into a new file."""
    with storing(target.parent), target.open("xb") as out:
        for part in parts:
            with content_path(part).open("rb") as stream:
                shutil.copyfileobj(stream, out, 1 << 20)


def hold(identifier: str, target: Path) -> None:
    """A second name for a file's content, which stays when the file is deleted; a copy where links cannot be made."""
    with storing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(content_path(identifier), target)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(content_path(identifier), target)


def forget(identifier: str) -> None:
    """Removes content."""
    content_path(identifier).unlink(missing_ok=True)


def sweep_incoming() -> None:
    """Removes what writers left that were killed."""
    for path in (home() / "files").glob(".incoming-*"):
        if time.time() - path.stat().st_mtime > STALE:
            path.unlink(missing_ok=True)


def refuse_unless_json_lines(path: Path) -> None:
    """The light check at upload; whoever reads the file later may take each line in one piece.

    Raises:
        ApiError: a line is no JSON object, in OpenAI's words, or too much for one line.
    """
    number = 0
    with path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(MAX_LINE + 1), b""), start=1):
            if len(line) > MAX_LINE:
                raise _no_json_lines(f"Line {number} is longer than {MAX_LINE >> 20} MB")
            if parts_of(line) > MOST_PARTS:
                raise _no_json_lines(f"Line {number} holds more than {MOST_PARTS:,} objects and lists")
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not text.strip():
                continue
            try:
                fine = isinstance(json.loads(text), dict)
            except (ValueError, RecursionError):
                fine = False
            if not fine:
                raise _no_json_lines(f"Line {number} is not a dictionary")
    if number == 0:
        raise _no_json_lines("The file is empty")


def _no_json_lines(what: str) -> ApiError:
    message = f"Expected file to have JSONL format, where every line is a JSON dictionary. {what}."
    return ApiError(400, message, "invalid_file_format", "file")
