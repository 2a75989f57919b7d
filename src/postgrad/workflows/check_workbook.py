"""`postgrad check --fix OUT.xlsx`: the mended table with its own columns, a coloured column that says what was found
and done, and sheets with what was removed and with every finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

from postgrad.checks import advice_on
from postgrad.data.shapes.reading import OwnColumns
from postgrad.data.shapes.row_errors import Inexpressible
from postgrad.data.writing.workbook import CHANGED, TOLD, Add, sheet_of, workbook
from postgrad.errors import DataError
from postgrad.findings import LEVELS, Changed, Checked, Dropped
from postgrad.records import Conversation, Record, Source
from postgrad.storage import file_atomic

NOTE = "postgrad"
"""The column that is added; readers of data leave it aside."""


def write_marked(
    out: Path,
    own: OwnColumns,
    kept: Sequence[Record],
    checked: Checked,
    dropped: Sequence[Dropped],
    changed: Iterable[Changed],
) -> str:
    """Writes the workbook; returns how, in words.

    Args:
        out: The file.
        own: The table's own columns.
        kept: The mended records.
        checked: What the checks found in the records as read.
        dropped: What was taken out.
        changed: What was mended.

    Raises:
        DataError: a cell is too long for Excel; nothing is written then.
    """
    columns = [c for c in own.columns if c != NOTE]
    original = {r.source: r for r in checked.records}
    notes, done = _notes(checked, changed)
    try:
        with file_atomic(out, mode=None) as stream, workbook(stream) as book:
            add = sheet_of(book, "data")
            add([*columns, NOTE])
            for record in kept:
                row, before = own.row(cast(Conversation, record)), original.get(record.source)
                was = own.row(cast(Conversation, before)) if before is not None else row
                colours = {n: CHANGED for n, c in enumerate(columns) if row[c] != was[c]}
                note = "; ".join(dict.fromkeys([*done.get(record.source, ()), *notes.get(record.source, ())]))
                add([*(row[c] for c in columns), note], {**colours, len(columns): TOLD} if note else colours)
            if dropped:
                add = sheet_of(book, "removed")
                add([*columns, "reason"])
                for item in dropped:
                    row = own.row(cast(Conversation, item.record))
                    add([*(row[c] for c in columns), item.reason])
            _findings(sheet_of(book, "findings"), checked)
    except Inexpressible as reason:
        raise DataError(f"{str(out)!r} cannot be written: {reason}.", f"Write {out.with_suffix('.csv')}") from reason
    return (
        f"{len(kept):,} records written to {out} with your own columns ({', '.join(columns)}); the column {NOTE!r} says"
        " what was found and done; further sheets hold every finding and what was removed."
    )


def _notes(checked: Checked, changed: Iterable[Changed]) -> tuple[dict[Source, list[str]], dict[Source, list[str]]]:
    """By place of the record: what was found and is left, and what was mended."""
    done: dict[Source, list[str]] = {}
    mended: dict[Source, set[str]] = {}
    for item in changed:
        done.setdefault(item.before.source, []).append(f"repaired: {item.check}")
        mended.setdefault(item.before.source, set()).add(item.check)
    notes: dict[Source, list[str]] = {}
    for finding in checked.findings:
        for place, index in enumerate(finding.indices if finding.severity != "info" else ()):
            source = checked.records[index].source
            if finding.check not in mended.get(source, ()):
                said = finding.evidence_at(place)
                notes.setdefault(source, []).append(f"{finding.check}: {said}" if said else finding.check)
    return notes, done


def _findings(put: Add, checked: Checked) -> None:
    put(["level", "check", "row", "finding", "what to do"])
    for finding in checked.findings:
        level = LEVELS[finding.severity]
        put([level, finding.check, "", finding.sentence, advice_on(finding.check)])
        for place, index in enumerate(finding.indices):
            source = checked.records[index].source
            put([level, finding.check, source.row or source.line, finding.evidence_at(place), ""])
