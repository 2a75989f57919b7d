"""What several commands' options share: lists separated by commas, and text that may stand in a file."""

from __future__ import annotations

from pathlib import Path

from postgrad.errors import UsageError


def listed(text: str | None) -> list[str] | None:
    """The parts between commas, or None where there is nothing."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def read_text(text: str | None) -> str | None:
    """The text itself, or the content of the file after an @.

    Raises:
        UsageError: that file cannot be read as text.
    """
    if text is None or not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"The file {text[1:]!r} cannot be read as text: {error}.") from error
