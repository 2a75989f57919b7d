"""The first step of every command: files in, records out, with the account of how they were read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.data.chat_logs import refuse_raw_chat
from postgrad.data.columns import Mapped, to_records
from postgrad.data.rows import Rows
from postgrad.data.sources import read_all
from postgrad.errors import DataError
from postgrad.records import Conversation, Record, content_hash
from postgrad.storage import sha256_json

MINIMUM = 10
"""Below ten examples nothing can be split, learned or measured."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """All records of all files.

    Attributes:
        records: In the order of files and rows.
        shape: The shape's name; several joined by ` + `.
        explanation: How input and output were found.
        notes: What was noticed while reading.
    """

    records: tuple[Record, ...]
    shape: str
    explanation: str
    notes: tuple[str, ...]


def load(
    paths: Sequence[Path | str],
    *,
    input_column: str | Sequence[str] | None = None,
    output_column: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
    minimum: int = MINIMUM,
) -> Loaded:
    """Reads files into records. Files with the same columns are judged together.

    Args:
        paths: The files, in order.
        input_column: See `to_records`.
        output_column: See `to_records`.
        system_prompt: See `to_records`.
        minimum: How many examples with a prompt and an answer there must be.

    Raises:
        DataError: A file cannot be read, its columns are ambiguous, or there are too few usable examples.
    """
    if not paths:
        raise DataError("No data file was named.", "Name a CSV, TSV, JSON or JSONL file of examples.")
    kinds: dict[frozenset[str], list[Rows]] = {}
    for rows in (rows for path in paths for rows in read_all(path)):
        if input_column is None and output_column is None:
            refuse_raw_chat(rows)
        kinds.setdefault(frozenset(rows.columns), []).append(rows)
    mapped = [
        to_records(files, input_column=input_column, output_column=output_column, system_prompt=system_prompt)
        for files in kinds.values()
    ]
    records = tuple(record for one in mapped for record in one.records)
    usable = sum(is_usable(record) for record in records)
    if usable < minimum:
        raise _too_few(len(records), usable, minimum, mapped)
    return Loaded(
        records,
        " + ".join(dict.fromkeys(one.shape for one in mapped)),
        " ".join(dict.fromkeys(one.explanation for one in mapped)),
        tuple(note for one in mapped for note in one.notes),
    )


def is_usable(record: Record) -> bool:
    """Whether there is something to ask and something to answer; a tool call is an answer."""
    answered = bool(record.answer_text.strip())
    if isinstance(record, Conversation) and record.answer is not None:
        answered = answered or bool(record.answer.tool_calls)
    return answered and bool(record.prompt_text.strip())


def data_hash(records: Sequence[Record]) -> str:
    """`sha256:<hex>` of the records' contents; equal data gives an equal hash whatever its format and order."""
    return sha256_json(sorted(content_hash(record) for record in records))


def _too_few(count: int, usable: int, minimum: int, mapped: Sequence[Mapped]) -> DataError:
    rows = "row" if count == 1 else "rows"
    which = (
        f"{count} {rows}" if usable == count else f"{count} {rows}, of which {usable} have both a prompt and an answer"
    )
    how = "" if usable == count else f" ({mapped[0].explanation})"
    return DataError(
        f"The data has {which}{how}; at least {minimum} are needed to train and test anything.",
        "50 to 100 examples are usual to begin with; a few hundred let the result be judged well.",
    )
