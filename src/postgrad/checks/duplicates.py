"""The same example more than once: it weighs double in training and leaks into the test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.checks.wording import count_of, place, quote, verb
from postgrad.findings import Check, Context, Finding, Repair
from postgrad.records import Record
from postgrad.similarity import exact_key


def duplicates() -> Check:
    """Finds records whose prompt and answer repeat an earlier record (but for spacing, and the prompt's case); the first is kept."""

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        first: dict[tuple[str, str], int] = {}
        repeats: list[tuple[int, int]] = []
        for index, record in enumerate(records):
            if record.prompt_text.strip():
                original = first.setdefault(record_key(record), index)
                if original != index:
                    repeats.append((index, original))
        if repeats:
            yield Finding(
                check="duplicates",
                severity="warning",
                sentence=f"{count_of(len(repeats), 'record')} {verb(len(repeats), 'repeats', 'repeat')} the prompt and answer "
                "of an earlier one; the first of each is kept.",
                indices=tuple(index for index, _ in repeats),
                evidence=tuple(
                    f"repeats {place(records[o].source)}: {quote(records[i].prompt_text)}" for i, o in repeats
                ),
                repairs=tuple(Repair(index, "drop") for index, _ in repeats),
                details={"count": len(repeats), "originals": len({original for _, original in repeats})},
            )

    return check


def record_key(record: Record) -> tuple[str, str]:
    """Prompt and answer as they count for a repetition; in answers case matters, because it is learned."""
    return exact_key(record.prompt_text), " ".join(record.answer_text.split())
