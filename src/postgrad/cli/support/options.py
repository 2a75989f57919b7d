"""What several commands' options share: lists separated by commas, text that may stand in a file, settings of the
recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.errors import UsageError
from postgrad.json_types import JsonObject

if TYPE_CHECKING:
    from postgrad.data.shapes.message_layout import MessageColumns
    from postgrad.models.remote.client import RemoteModel
    from postgrad.models.remote.rules import TokenPrice

Input = Annotated[str | None, typer.Option("--input", help="Column(s) of the request, separated by commas.")]
Output = Annotated[str | None, typer.Option("--output", help="Column(s) of the answer; several make one JSON object.")]
Thread = Annotated[str | None, typer.Option("--thread", help="One row for each message: column of the conversation.")]
Speaker = Annotated[
    str | None, typer.Option("--speaker", help="One row for each message: column that says who wrote it.")
]
Assistant = Annotated[
    str | None,
    typer.Option("--assistant", help="One row for each message: who answers (names or patterns, separated by commas)."),
]
"""How the columns of data are named, alike in every command that reads data."""


def reading(
    input: str | None, output: str | None, thread: str | None, speaker: str | None, assistant: str | None
) -> JsonObject:
    """These options as settings of the recipe."""
    return {
        "data.input": listed(input),
        "data.output": listed(output),
        "data.thread": thread,
        "data.speaker": speaker,
        "data.assistant": listed(assistant),
    }


def message_columns(thread: str | None, speaker: str | None, assistant: str | None) -> MessageColumns:
    """The options about data with one row for each message."""
    from postgrad.data.shapes.message_layout import MessageColumns

    return MessageColumns(thread, speaker, tuple(listed(assistant) or ()))


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


def training_settings(given: list[str]) -> JsonObject:
    """`rank=32` → `{"training.rank": 32}`, and `evaluation.own_code=true` as it stands; values are read as YAML.

    Raises:
        UsageError: no value was given.
    """
    return {name if "." in name else f"training.{name}": value for name, value in settings(given).items()}


def settings(given: list[str]) -> JsonObject:
    """`decision.smallest_worth=0.05` → `{"decision.smallest_worth": 0.05}`; values are read as YAML.

    Raises:
        UsageError: no value was given.
    """
    import yaml

    out: JsonObject = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text!r} has no value.", "Write it as --set name=value.")
        out[key.strip()] = yaml.safe_load(value)
    return out


def price_given(text: str | None) -> TokenPrice | None:
    """`0.15,0.60` as a price of a million tokens in and out; None where none is given.

    Raises:
        UsageError: it is no two numbers.
    """
    from postgrad.models.remote.rules import TokenPrice

    if text is None:
        return None
    try:
        prompt, completion = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--price {text!r} is not two numbers.", "Write USD for a million tokens in,out: 0.15,0.60"
        ) from error
    return TokenPrice(prompt, completion)


def remote_models(
    names: Sequence[str], key_env: str | None, price: TokenPrice | None, max_usd: float | None
) -> list[RemoteModel]:
    """The remote models of `--remote URL#MODEL`, each with its own budget.

    Raises:
        UsageError: a name is no URL#MODEL, the key is not set, or a limit has no price.
    """
    if not names:
        return []
    from postgrad.models.remote.client import Budget, RemoteModel, parse_remote

    return [
        RemoteModel(*parse_remote(name), key_env=key_env, budget=Budget(max_usd=max_usd, price=price)) for name in names
    ]
