"""The same example more than once: it weighs double in training and leaks into the test."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from postgrad.checks.structure import messages_of
from postgrad.checks.support.phrases import count_of, place, quote, verb
from postgrad.checks.support.record_texts import texts_of
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Rating, Record
from postgrad.similarity.near_duplicates import exact_key, exact_keys


@check_factory(
    harm=24,
    advice="Keep one of each; exact repeats are removed unless you --accept duplicates.",
)
def duplicates() -> Check:
    """Finds records whose prompt and answer repeat an earlier record (but for spacing, and the prompt's case); the
    first is kept."""

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        first: dict[tuple[str, str, bool, str], int] = {}
        repeats: list[tuple[int, int]] = []
        prompts = exact_keys([r.prompt_text for r in records])
        times = Counter(prompts)
        for index, record in enumerate(records):
            if prompts[index] and times[prompts[index]] > 1:  # the whole key is dear, and most prompts occur once
                original = first.setdefault(record_key(record), index)
                if original != index:
                    repeats.append((index, original))
        if repeats:
            yield Finding(
                check="duplicates",
                severity="warning",
                sentence=(
                    f"{count_of(len(repeats), 'record')} {verb(len(repeats), 'repeats', 'repeat')} the request and"
                    " answer of an earlier one; the first of each is kept."
                ),
                indices=tuple(index for index, _ in repeats),
                evidence=tuple(
                    f"repeats {place(records[o].source)}: {quote(records[i].prompt_text)}" for i, o in repeats
                ),
                repairs=tuple(Repair(index, "drop") for index, _ in repeats),
                details={"count": len(repeats), "originals": len({original for _, original in repeats})},
            )

    return check


def record_key(record: Record) -> tuple[str, str, bool, str]:
    """All of a record that counts for a repetition: every text (system, tools and calls too), the answer's case, the
    rating, and pictures or sound.

    In answers case matters, because it is learned; in the rest it does not.
    """
    good = record.good if isinstance(record, Rating) else True
    parts = [part for m in messages_of(record) for part in m.parts if part.get("type") != "text"]
    shown = json.dumps(parts, sort_keys=True, default=str) if parts else ""
    return exact_key("\n".join(texts_of(record))), " ".join(record.answer_text.split()), good, shown
