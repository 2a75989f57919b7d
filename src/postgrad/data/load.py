"""The first step of every command: files in, records out, with the account of how they were read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.data.documents.document_files import SUFFIXES
from postgrad.data.documents.raw_texts import load_texts
from postgrad.data.formats.delimited import NoTableError
from postgrad.data.shapes.columns import Mapped, to_records
from postgrad.data.shapes.message_layout import UNSAID, MessageColumns, refuse_both
from postgrad.data.shapes.message_rows import as_conversations
from postgrad.data.shapes.reading import OwnColumns
from postgrad.data.shapes.registry import KINDS
from postgrad.data.sources.address import place_of
from postgrad.data.sources.in_memory import InMemory
from postgrad.data.sources.open_source import read_all
from postgrad.data.sources.rows import Rows
from postgrad.errors import DataError
from postgrad.records import Conversation, Message, Preference, Rating, Record, Task, Text, content_hash
from postgrad.storage import sha256_json

MINIMUM = 10
"""Below ten examples nothing can be split, learned or measured."""

_CONVERT = "postgrad convert {file} chat.jsonl --to openai-chat"
_WAYS: dict[type[Record], str] = {
    Preference: f"To train on the chosen answers only: {_CONVERT}",
    Rating: f"To train on the answers rated good only: {_CONVERT}",
    Task: f"Where each task has a reference, it can be learned as the answer: {_CONVERT}",
    Text: "To train on raw text: postgrad train {file} --objective pretrain",
}


@dataclass(frozen=True, slots=True, repr=False)
class LoadedRecords:
    """All records of all files; goes like a tuple of them.

    Attributes:
        records: In the order of files and rows.
        shape: The shape's name; several joined by ` + `.
        explanation: How input and output were found.
        notes: What was noticed while reading.
        table: The files' own columns, where all are tables of the same ones with requests and answers.
    """

    records: tuple[Record, ...]
    shape: str
    explanation: str
    notes: tuple[str, ...]
    table: OwnColumns | None = None

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __getitem__(self, place: int) -> Record:
        return self.records[place]

    def __repr__(self) -> str:
        return "\n".join(
            [f"{len(self.records):,} records ({self.shape}). {self.explanation}", *map("! {}".format, self.notes)]
        )


def load(
    paths: Sequence[Path | str | InMemory],
    *,
    input_column: str | Sequence[str] | None = None,
    output_column: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
    messages: MessageColumns = UNSAID,
    minimum: int = MINIMUM,
) -> LoadedRecords:
    """Reads files into records. Files with the same columns are judged together.

    Args:
        paths: The files, in order.
        input_column: See `to_records`.
        output_column: See `to_records`.
        system_prompt: See `to_records`.
        messages: What is known of data with one row for each message; such data is found without it too.
        minimum: How many usable records there must be (of raw text one is enough).

    Raises:
        DataError: A file cannot be read, its columns are ambiguous, or there are too few usable examples.
    """
    refuse_both(input_column or output_column, messages)
    if not paths:
        raise DataError("No data file was named.", "Name a CSV, TSV, JSON or JSONL file of examples.")
    kinds: dict[frozenset[str], list[Rows]] = {}
    texts: list[Text] = []
    ready = tuple(record for path in paths if isinstance(path, InMemory) for record in path.records)
    for rows in (rows for path in paths for rows in _rows_or_texts(path, texts)):
        if input_column is None and output_column is None:
            rows = as_conversations(rows, messages)
        kinds.setdefault(frozenset(rows.columns), []).append(rows)
    mapped = [
        to_records(files, input_column=input_column, output_column=output_column, system_prompt=system_prompt)
        for files in kinds.values()
    ]
    records = (*(record for one in mapped for record in one.records), *texts, *ready)
    _refuse_mixture(records)
    usable = sum(is_usable(record) for record in records)
    if usable < (min(minimum, 1) if records and isinstance(records[0], Text) else minimum):
        raise _too_few(len(records), usable, minimum, mapped)
    return LoadedRecords(
        records,
        " + ".join(
            dict.fromkeys(
                [*(one.shape for one in mapped), *(["raw text"] if texts else []), *(["records"] if ready else [])]
            )
        ),
        " ".join(dict.fromkeys([*(one.explanation for one in mapped), *_told(texts), *_taken(ready)])),
        tuple(note for one in mapped for note in one.notes),
        mapped[0].table if len(mapped) == 1 and not (texts or ready) else None,
    )


def _rows_or_texts(path: Path | str | InMemory, texts: list[Text]) -> Sequence[Rows]:
    """The rows of a source; a document that is no table goes into `texts` instead."""
    if isinstance(path, InMemory):
        return path.rows
    try:
        return read_all(path)
    except NoTableError:
        file = place_of(path).path
        if file is None or file.suffix.lower() not in SUFFIXES:
            raise
        texts += load_texts([path])
        return ()


def _told(texts: Sequence[Text]) -> list[str]:
    many = f"{len(texts)} documents" if len(texts) > 1 else "one document"
    return [f"Read as raw text: {many}, for continued pretraining (--objective pretrain)."] if texts else []


def _taken(ready: Sequence[Record]) -> list[str]:
    return [f"Taken as they are: {len(ready)} records that hold {KINDS[type(ready[0])]}."] if ready else []


def is_usable(record: Record) -> bool:
    """Whether there is something to ask and, but for tasks and texts, something to answer.

    A tool call is an answer, and an image is a request. Of a preference pair both answers are needed.
    """
    if isinstance(record, Text):
        return bool(record.text.strip())
    if isinstance(record, Conversation):
        return record.answer is not None and _says([record.answer]) and _asks(record.prompt)
    if isinstance(record, Preference):
        return _asks(record.prompt) and _says(record.chosen) and _says(record.rejected)
    if isinstance(record, Rating):
        return _asks(record.prompt) and _says(record.completion)
    return isinstance(record, Task) and _asks(record.prompt)


def conversations(loaded: LoadedRecords) -> list[Conversation]:
    """The records of data that must be conversations with a right answer each.

    Raises:
        DataError: They are of another kind; says what they are, and what can be done with them.
    """
    found = [record for record in loaded.records if isinstance(record, Conversation)]
    if len(found) == len(loaded.records):
        return found
    other = next(record for record in loaded.records if not isinstance(record, Conversation))
    file = other.source.file
    raise DataError(
        f"{file} holds {KINDS[type(other)]} ({loaded.shape}, {len(loaded.records)} records); this requires"
        " conversations, with one right answer each.",
        _WAYS[type(other)].format(file=file),
    )


def refuse_images(records: Sequence[Record]) -> None:
    """Refuses records with images or sound, for models that take text alone.

    Raises:
        DataError: Naming the first such record and counting all.
    """
    found = [r for r in records if isinstance(r, Conversation) and any(m.parts for m in r.messages)]
    if found:
        kinds = sorted({str(p["type"]) for m in found[0].messages for p in m.parts if p["type"] != "text"})
        raise DataError(
            f"{found[0].source}: the conversation holds content that is not text ({', '.join(kinds)}), as {len(found)}"
            f" of {len(records)} records do; postgrad's base models accept text only.",
            "Leave these records out, or describe the images in words.",
        )


def _asks(messages: Sequence[Message]) -> bool:
    return any(m.role != "system" and (m.content.strip() or m.parts) for m in messages)


def _says(messages: Sequence[Message]) -> bool:
    return any(m.content.strip() or m.tool_calls for m in messages)


def _refuse_mixture(records: Sequence[Record]) -> None:
    first: dict[type[Record], Record] = {}
    for record in records:
        first.setdefault(type(record), record)
    if len(first) > 1:
        shown = "; ".join(f"{record.source} holds {KINDS[kind]}" for kind, record in first.items())
        raise DataError(f"The files hold different kinds of records: {shown}.", "Give one kind at a time.")


def data_hash(records: Sequence[Record]) -> str:
    """`sha256:<hex>` of the records' contents; equal data gives an equal hash whatever its format and order."""
    return sha256_json(sorted(content_hash(record) for record in records))


def _too_few(count: int, usable: int, minimum: int, mapped: Sequence[Mapped]) -> DataError:
    rows = "row" if count == 1 else "rows"
    pairs = any(isinstance(record, Preference) for m in mapped for record in m.records)
    needed = "a prompt, a chosen and a rejected answer" if pairs else "both a prompt and an answer"
    which = f"{count} {rows}" if usable == count else f"{count} {rows}, of which {usable} have {needed}"
    how = "" if usable == count else f" ({mapped[0].explanation})"
    return DataError(
        f"The data has {which}{how}; at least {minimum} are required for training and testing.",
        "50 to 100 examples are a usual start; a few hundred allow a reliable result.",
    )
