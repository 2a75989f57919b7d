"""The same example more than once: it weighs double in training and leaks into the test."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from postgrad.checks.structure import messages_of
from postgrad.checks.support.phrases import count_of, place, quote, verb
from postgrad.checks.support.record_texts import texts_of
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Rating, Record
from postgrad.similarity.near_duplicates import exact_key, exact_keys

_FEW_WORDS, _LABELS, _LABEL_LETTERS = 3, 4, 60
"""An utterance has so few words; labels have so few letters, and so many records each on average."""


_MANY = 0.01
"""A smaller share is removed and hardly missed."""


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
        if not repeats:
            return
        told = {i: f"repeats {place(records[o].source)}: {quote(records[i].prompt_text)}" for i, o in repeats}
        short = _short_utterances(records, told)
        if kept := [(i, o) for i, o in repeats if i in short]:
            often, times_ = Counter(" ".join(records[i].prompt_text.split()) for i, _ in kept).most_common(1)[0]
            yield Finding(
                check="duplicates",
                severity="info",
                sentence=(
                    f"{count_of(len(kept), 'record')} {verb(len(kept), 'repeats', 'repeat')} a short utterance with its"
                    f" label ({quote(often)} {times_ + 1}×); they are kept, because how often such come is part of the"
                    " data (--repair duplicates removes them)."
                ),
                indices=tuple(index for index, _ in kept),
                evidence=tuple(told[index] for index, _ in kept),
                repairs=tuple(Repair(index, "drop", safe=False) for index, _ in kept),
                details={"fault": "utterances", "count": len(kept)},
            )
        repeats = [(i, o) for i, o in repeats if i not in short]
        if repeats:
            yield Finding(
                check="duplicates",
                severity="warning" if len(repeats) > _MANY * len(records) else "info",
                sentence=(
                    f"{count_of(len(repeats), 'record')} {verb(len(repeats), 'repeats', 'repeat')} the request and"
                    " answer of an earlier one."
                ),
                indices=tuple(index for index, _ in repeats),
                evidence=tuple(told[index] for index, _ in repeats),
                repairs=tuple(Repair(index, "drop") for index, _ in repeats),
                details={"count": len(repeats), "originals": len({original for _, original in repeats})},
            )

    return check


def _short_utterances(records: Sequence[Record], repeats: Iterable[int]) -> set[int]:
    """Of these, the requests of a few words ("ok", "no thanks") whose answer is a label."""
    answers = {" ".join(r.answer_text.split()) for r in records}
    if len(answers) > len(records) / _LABELS or max(map(len, answers)) > _LABEL_LETTERS:
        return set()
    return {i for i in repeats if len(records[i].prompt_text.split()) <= _FEW_WORDS}


def record_key(record: Record) -> tuple[str, str, bool, str]:
    """All of a record that counts for a repetition: every text (system, tools and calls too), the answer's case, the
    rating, and pictures or sound.

    In answers case matters, because it is learned; in the rest it does not.
    """
    good = record.good if isinstance(record, Rating) else True
    parts = [part for m in messages_of(record) for part in m.parts if part.get("type") != "text"]
    shown = json.dumps(parts, sort_keys=True, default=str) if parts else ""
    return exact_key("\n".join(texts_of(record))), " ".join(record.answer_text.split()), good, shown
