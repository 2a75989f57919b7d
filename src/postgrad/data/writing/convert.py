"""Files of one shape → a file of another, chunk by chunk in constant memory; what cannot be told is refused or left
out, and said."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from postgrad.data.shapes.columns import choose_reading
from postgrad.data.shapes.conversions import SAID, NotMeant, cast
from postgrad.data.shapes.message_layout import UNSAID, MessageColumns, refuse_both
from postgrad.data.shapes.message_rows import as_conversations, holds_messages
from postgrad.data.shapes.row_errors import Faults, Inexpressible
from postgrad.data.sources.chunks import Chunker
from postgrad.data.sources.in_memory import InMemory
from postgrad.data.sources.open_source import stream_rows
from postgrad.data.sources.rows import NAMED, Rows
from postgrad.data.writing.containers import TABLES, Write, ending_of, writing
from postgrad.data.writing.writers import WRITERS, lost_meta, row_of
from postgrad.errors import DataError, UsageError
from postgrad.records import Record, Source


@dataclass(slots=True, repr=False)
class Converted:
    """What a conversion did.

    Attributes:
        read: Records read.
        written: Rows written (one record may give two).
        explanations: How each file was read.
        notes: What the readers noticed and left out.
        left_out: (place, reason) of each record that the shape cannot hold.
        said: What the conversion changes or leaves out by its nature.
    """

    read: int = 0
    written: int = 0
    explanations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: list[tuple[Source, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        counts = f"{self.read:,} records read, {self.written:,} rows written, {len(self.left_out):,} left out."
        return "\n".join([counts, *self.said])


def convert(
    paths: Sequence[Path | str | InMemory],
    out: Path,
    to: str,
    *,
    input_column: str | Sequence[str] | None = None,
    output_column: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
    messages: MessageColumns = UNSAID,
    skip: bool = False,
    meta: bool | None = None,
) -> Converted:
    """Reads files, whatever their shape, and writes one file of the shape `to`.

    Args:
        paths: The files, or what is in memory, in order.
        out: Where to; its ending decides the container, `-` is standard output.
        to: A name of `WRITERS`.
        input_column: See `to_records`.
        output_column: See `to_records`.
        system_prompt: See `to_records`.
        messages: See `load`; such data is read as a whole.
        skip: Leave out what the shape cannot hold, instead of refusing the whole.
        meta: Write metadata where the shape can hold it; None: unless the program that the shape is for may refuse it.

    Raises:
        UsageError: No such shape, or no such container.
        DataError: Input that cannot be read, or records that the shape cannot hold: five are named, all are counted.
    """
    if to not in WRITERS:
        raise UsageError(f"There is no shape {to!r}.", f"The shapes are: {', '.join(WRITERS)}.")
    refuse_both(input_column or output_column, messages)
    done = Converted()
    with writing(out) as write:
        job = _Job(to, ending_of(out) in TABLES, meta, done)
        for path in paths:
            reading = None
            chunks = path.rows if isinstance(path, InMemory) else stream_rows(path)
            if not (input_column or output_column):
                chunks = _conversations(chunks, messages)
            for rows in chunks:
                if reading is None:
                    reading = choose_reading(
                        rows, input_column=input_column, output_column=output_column, system_prompt=system_prompt
                    )
                    done.explanations.append(f"{path}: {reading.explanation}")
                done.notes += [note for note in rows.notes if note not in done.notes]
                for record in reading.records(rows):
                    job.take(record, write)
            done.notes += reading.notes() if reading else []
            for record in path.records if isinstance(path, InMemory) else ():
                job.take(record, write)
        job.finish(skip)
    return done


def _conversations(chunks: Iterable[Rows], said: MessageColumns) -> Iterator[Rows]:
    """The chunks as they come; of a file with one row for each message the whole at once, as conversations."""
    for _, of_file in itertools.groupby(chunks, key=lambda rows: rows.file):
        file = iter(of_file)
        first = next(file)
        if holds_messages(first, said):
            yield as_conversations(Chunker.join([first, *file]), said)
        else:
            yield first
            yield from file


class _Job:
    """Turns records into rows and keeps the account."""

    def __init__(self, to: str, table: bool, meta: bool | None, done: Converted) -> None:
        self.to, self.writer, self.table, self.done = to, WRITERS[to], table, done
        self.meta = not self.writer.strict if meta is None else meta
        self.unasked = meta is None and self.writer.strict
        self.faults = Faults()
        self.casts: Counter[str] = Counter()
        self.not_meant: Counter[str] = Counter()
        self.lost_meta: dict[str, None] = {}
        self.texts_alone: dict[str, None] = {}

    def take(self, record: Record, write: Write) -> None:
        """Writes one record, or notes why not."""
        self.done.read += 1
        try:
            found, name = cast(record, self.writer.kinds)
            rows = [row_of(one, self.writer, table=self.table, meta=self.meta) for one in found]
            for row in rows:
                write(row)
        except NotMeant as reason:
            self.not_meant[str(reason)] += 1
            return
        except Inexpressible as reason:
            self.faults.add(f"{record.source}: {reason}")
            self.done.left_out.append((record.source, str(reason)))
            return
        self.done.written += len(rows)
        if name:
            self.casts[name] += 1
        for one in found:
            self.lost_meta |= dict.fromkeys(lost_meta(one, self.writer, self.meta))
            if self.table:
                self.texts_alone |= {key: None for key, value in one.meta.items() if not isinstance(value, str)}

    def finish(self, skip: bool) -> None:
        """The sentences of the account.

        Raises:
            DataError: Records were left out and `skip` was not said, or none was written.
        """
        count = self.faults.count
        if count and not skip:
            leave = ", or leave them out: --skip" if self.done.written else "."
            raise self.faults.error(
                f"{count} of {self.done.read} records cannot be written as {self.to}:",
                f"Choose a shape that holds them (postgrad-jsonl holds everything){leave}",
            )
        if not self.done.written:
            raise DataError(f"None of the {self.done.read} records can be written as {self.to}.\n{self.faults}".strip())
        said = self.done.said
        said += [SAID[name] for name in self.casts]
        said += [
            f"{n} {'record was' if n == 1 else 'records were'} left out: {why}." for why, n in self.not_meant.items()
        ]
        if self.lost_meta:
            how = " The upload may refuse other keys; --meta writes them." if self.unasked else ""
            said.append(f"Metadata was left out: {_names(self.lost_meta)}.{how}")
        if texts := {key: None for key in self.texts_alone if key not in self.lost_meta}:
            said.append(f"In a table these come back as text: {_names(texts)}.")


def _names(keys: dict[str, None]) -> str:
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return ", ".join(list(keys)[:NAMED]) + more
