"""Who trains, who chooses, who tests, as the recipe asks: by hash, by time, or in the parts and files that the user
gave."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.data.split.given import given_parts, has_parts, moments_of
from postgrad.data.split.split import Split, SplitName, split
from postgrad.data.split.synthetic import is_synthetic
from postgrad.findings import Finding
from postgrad.progress import Said, Working
from postgrad.recipe import DataSection
from postgrad.records import Record
from postgrad.similarity.near_duplicates import near_duplicate_clusters
from postgrad.steps.time_budget import LARGEST_TEST


def divide(
    data: DataSection,
    seed: int,
    records: Sequence[Record],
    held: Sequence[tuple[SplitName, Sequence[Record]]] = (),
    *,
    test: bool = True,
    room: int = LARGEST_TEST,
) -> Working[Split]:
    """Divides the records, and says what a user should know of it.

    Args:
        data: The recipe's section.
        seed: The recipe's seed.
        records: Read and checked.
        held: The records of the user's own validation and test files.
        test: Whether a test part is wanted where none is given; a training alone needs none.
        room: Test examples that there is time to measure, where the recipe names no number.

    Raises:
        UsageError, DataError: See `split`, `given_parts` and `moments_of`.
    """
    notes: list[str] = []
    by = data.split
    if by == "auto":
        by = "given" if data.part == "split" and has_parts(records) else "hash"
        if by == "given":
            notes.append("The column 'split' says which part a record belongs to (data.split: hash ignores it).")
    given: list[SplitName | None] = []
    given += given_parts(records, data.part) if by == "given" else [None] * len(records)
    moments = None
    if by == "time":
        moments, told = moments_of(records, data.time, data.day_first)
        notes += told
    everything = [*records, *(record for _, part in held for record in part)]
    for name, part in held:
        given.extend(name for _ in part)
        if moments is not None:
            moments += [None] * len(part)
    for note in notes:
        yield Said(note)
    # made records get no text here: they must not tie collected ones together, and are placed by their originals
    texts = ["" if is_synthetic(r) else r.prompt_text for r in everything]
    parts = split(
        everything,
        seed=seed,
        validation=data.validation,
        test=data.test if test else 0.0,
        groups=near_duplicate_clusters(texts),
        group_key=data.group,
        stratify_key=data.stratify,
        moments=moments,
        given=given,
        keep_near_test=data.keep_near_test,
        max_test=data.max_test or room,
        max_validation=data.max_validation,
    )
    own = by == "given" or any(name == "test" for name, _ in held)
    if test and not own and data.max_test is None and room < round(data.test * len(records)):
        yield Said(f"{len(parts.test)} of {len(records)} examples test, fewer than {100 * data.test:g} %: {_why(room)}")
    for note in parts.notes:
        yield Said(note, warning=bool(parts.left_out))
    return parts


def _why(room: int) -> str:
    if room == LARGEST_TEST:
        return "more would show little more (data.max_test)."
    return "more could not be measured in the time (data.max_test, --max-minutes)."


def split_findings(parts: Split) -> tuple[Finding, ...]:
    """What the report says of the division: one finding where anything was left out."""
    if not parts.left_out:
        return ()
    counts: dict[str, int] = {}
    for _, reason in parts.left_out:
        counts[reason] = counts.get(reason, 0) + 1
    return (Finding("split", "warning", " ".join(parts.notes), details={"left_out": counts}),)
