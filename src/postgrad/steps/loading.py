"""The data of a recipe, read as its section says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postgrad.data.documents.raw_texts import read_texts
from postgrad.data.load import MINIMUM, LoadedRecords, load
from postgrad.data.shapes.message_layout import MessageColumns
from postgrad.data.sources.in_memory import InMemory
from postgrad.objectives import spec_of
from postgrad.recipe import DataSection
from postgrad.records import Text


def loaded(
    data: DataSection, paths: Sequence[Path | str | InMemory], minimum: int = MINIMUM, objective: str = ""
) -> LoadedRecords:
    """The records of files, by the columns and the instruction of the section; all as raw text where the objective that
    was asked for learns from that.

    Raises:
        DataError: a file cannot be read, its columns are ambiguous, or it holds too few examples.
    """
    if objective and spec_of(objective).records is Text:
        read = read_texts(paths, data.include)
        told = f"Read as raw text, as the objective {objective} takes it: documents: {len(read.texts)}."
        return LoadedRecords(read.texts, "raw text", told, read.notes)
    return load(
        paths,
        input_column=data.input or None,
        output_column=data.output or None,
        system_prompt=data.system_prompt,
        messages=MessageColumns(data.thread, data.speaker, tuple(data.assistant)),
        minimum=minimum,
    )
