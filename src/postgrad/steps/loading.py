"""The data of a recipe, read as its section says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postgrad.data.load import MINIMUM, LoadedRecords, load
from postgrad.data.shapes.message_layout import MessageColumns
from postgrad.data.sources.in_memory import InMemory
from postgrad.recipe import DataSection


def loaded(data: DataSection, paths: Sequence[Path | str | InMemory], minimum: int = MINIMUM) -> LoadedRecords:
    """The records of files, by the columns and the instruction of the section.

    Raises:
        DataError: a file cannot be read, its columns are ambiguous, or it holds too few examples.
    """
    return load(
        paths,
        input_column=data.input or None,
        output_column=data.output or None,
        system_prompt=data.system_prompt,
        messages=MessageColumns(data.thread, data.speaker, tuple(data.assistant)),
        minimum=minimum,
    )
