"""`postgrad check --fix`: the mended data, and beside it everything that was taken out or changed, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from postgrad.checks import checking, repaired
from postgrad.data.load import LoadedRecords
from postgrad.data.shapes.reading import OwnColumns
from postgrad.data.shapes.row_errors import Faults, Inexpressible
from postgrad.data.writing.containers import TABLES, ending_of, writing
from postgrad.data.writing.writers import WRITERS, row_of
from postgrad.errors import DataError, UsageError
from postgrad.findings import Changed, Dropped
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.progress import Progress, Working
from postgrad.records import Conversation, Preference, Rating, Record, Task, Text, to_dict
from postgrad.workflows.check import CheckOutcome, CheckRequest
from postgrad.workflows.check_workbook import write_marked

_SHAPE_OF: dict[type[Record], str] = {
    Conversation: "openai-chat",
    Preference: "openai-preference",
    Rating: "kto",
    Task: "openai-reinforcement",
    Text: "text",
}
_OWN = (".csv", ".xlsx")
"""Endings under which a table keeps its own columns."""
_ROUNDS = 3
"""One record may need several repairs, and each is found in what the one before left."""


def refuse_to_overwrite(out: Path, force: bool, shape: str | None = None) -> None:
    """Refuses a target before any work is done for it.

    Raises:
        UsageError: its ending says nothing, a file is there and `force` was not said, or there is no such shape.
    """
    ending_of(out)
    if shape is not None and shape not in WRITERS:
        raise UsageError(f"There is no shape {shape!r}.", f"The shapes are: {', '.join(WRITERS)}.")
    there = [path for path in (out, *beside(out)) if path.exists()]
    if there and not force:
        raise UsageError(f"{str(there[0])!r} is there already.", "Choose another name, or replace it: --force")


def beside(out: Path) -> tuple[Path, Path]:
    """Where what was taken out, and what was changed, is kept."""
    stem = out.name.removesuffix(ending_of(out))
    return out.with_name(f"{stem}.removed.jsonl"), out.with_name(f"{stem}.changed.jsonl")


def write_fixed(outcome: CheckOutcome, request: CheckRequest, out: Path, shape: str | None = None) -> Working[str]:
    """Writes the mended records, and the two files beside them; returns what was done, in words.

    Args:
        outcome: What the checks found.
        request: With the checks accepted and the repairs asked for.
        out: Where the records go; its ending decides the container.
        shape: A name of `WRITERS`; None for the usual one of this kind of records.

    Raises:
        DataError: the shape cannot hold some records; nothing is written then.
    """
    checked = outcome.checked
    kept, dropped, changed = list(checked.kept), list(checked.dropped), list(checked.changed)
    for done in range(_ROUNDS if changed else 0):
        yield Progress(done, _ROUNDS, "rounds of repairs")
        findings = [f for _, found, _ in checking(kept, outcome.context) for f in found]
        again = repaired(kept, findings, accept=request.accept, also=request.repair)
        if not again.dropped and not again.changed:
            break
        kept, dropped, changed = list(again.kept), dropped + list(again.dropped), changed + list(again.changed)
    removed_at, changed_at = beside(out)
    if shape is None and ending_of(out) == ".xlsx" and outcome.loaded.table is not None:
        _refuse_weights(out, kept)
        told = [write_marked(out, outcome.loaded.table, kept, outcome.checked, dropped, changed)]
    else:
        told = [write_records(out, outcome.loaded, kept, shape)]
    if dropped:
        _write_lines(removed_at, (_removed(item) for item in dropped))
        told.append(
            f"{len(dropped):,} removed ({_counts(d.check for d in dropped)}), kept with reasons in {removed_at}."
        )
    if changed:
        _write_lines(changed_at, (_mended(item) for item in changed))
        told.append(
            f"{len(changed):,} changes made ({_counts(c.check for c in changed)}), before and after in {changed_at}."
        )
    return "\n".join(told)


def write_records(out: Path, loaded: LoadedRecords, records: Sequence[Record], shape: str | None = None) -> str:
    """Writes records in the form that their reader knows: a table keeps its own columns. Returns how, in words.

    Args:
        out: The file; its ending decides the container.
        loaded: How they were read.
        records: Those to write.
        shape: A name of `WRITERS`; None for the usual one.

    Raises:
        DataError: the shape cannot hold some records; nothing is written then.
    """
    own = loaded.table if shape is None and ending_of(out) in _OWN else None
    usual = _SHAPE_OF[type(records[0])] if records and not _weighted(records) else "postgrad-jsonl"
    name = shape or ("csv" if ending_of(out) in _OWN else usual)
    if own is not None:
        _refuse_weights(out, records)
        _write_own(out, own, records)
    else:
        _write(out, name, records)
    form = f"with your own columns ({', '.join(own.columns)})" if own else f"as {name}"
    return f"{len(records):,} records written to {out} {form}."


def _weighted(records: Iterable[Record]) -> bool:
    return any(m.weight not in (0, 1) for r in records if isinstance(r, Conversation) for m in r.messages)


def _refuse_weights(out: Path, records: Iterable[Record]) -> None:
    """Refuses a table for records with weights."""
    if _weighted(records):
        raise DataError(
            f"{str(out)!r} would lose the weights of the records: a table has no place for them.",
            f"Write lines of JSON: {out.with_suffix('.jsonl')}",
        )


def _write_own(out: Path, own: OwnColumns, records: Sequence[Record]) -> None:
    """The records as rows of the table that they came from."""
    faults = Faults()
    with writing(out, marked=True) as write:
        for record in records:
            assert isinstance(record, Conversation)
            try:
                write(own.row(record))
            except Inexpressible as reason:
                faults.add(f"{record.source}: {reason}")
        if faults.count:
            raise faults.error(
                f"{faults.count} of {len(records)} records cannot be written with your own columns:",
                "Write them as prompt and completion: --to csv",
            )


def _write(out: Path, name: str, records: Iterable[Record]) -> None:
    writer, table, faults, count = WRITERS[name], ending_of(out) in TABLES, Faults(), 0
    with writing(out, marked=True) as write:
        for record in records:
            count += 1
            try:
                write(row_of(record, writer, table=table))
            except Inexpressible as reason:
                faults.add(f"{record.source}: {reason}")
        if faults.count:
            raise faults.error(
                f"{faults.count} of {count} records cannot be written as {name}:",
                "Choose a shape that holds them: --to postgrad-jsonl holds everything.",
            )


def _write_lines(out: Path, rows: Iterable[JsonMapping]) -> None:
    with writing(out) as write:
        for row in rows:
            write(row)


def _removed(item: Dropped) -> JsonObject:
    source = item.record.source
    return {
        "file": source.file,
        "line": source.line,
        "check": item.check,
        "reason": item.reason,
        "record": to_dict(item.record),
    }


def _mended(item: Changed) -> JsonObject:
    source = item.before.source
    return {
        "file": source.file,
        "line": source.line,
        "check": item.check,
        "before": to_dict(item.before),
        "after": to_dict(item.after),
    }


def _counts(names: Iterable[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in Counter(names).most_common())
