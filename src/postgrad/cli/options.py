"""What several commands' options share: lists separated by commas, text that may stand in a file, settings of the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from postgrad.errors import UsageError


def listed(text: str | None) -> list[str] | None:
    """The parts between commas, or None where there is nothing."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def strings(paths: Sequence[Path] | None) -> list[str] | None:
    """Paths as the recipe holds them, or None where there are none."""
    return [str(path) for path in paths] if paths else None


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


def training_settings(given: list[str]) -> dict[str, Any]:
    """`rank=32` → `{"training.rank": 32}`; values are read as YAML.

    Raises:
        UsageError: no value was given.
    """
    return {f"training.{name}": value for name, value in settings(given).items()}


def settings(given: list[str]) -> dict[str, Any]:
    """`decision.smallest_worth=0.05` → `{"decision.smallest_worth": 0.05}`; values are read as YAML.

    Raises:
        UsageError: no value was given.
    """
    import yaml

    out: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text!r} has no value.", "Write it as --set name=value.")
        out[key.strip()] = yaml.safe_load(value)
    return out
