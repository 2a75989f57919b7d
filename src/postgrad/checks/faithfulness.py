"""Answers that do not say what a structured request gave them to say, or say more: the model learns to leave out and to
invent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.checks.support.embedding_space import sample
from postgrad.checks.support.phrases import count_of, quote, verb
from postgrad.checks.support.slots import Slot, Wording, grams_of, learn, plain, slots_of, unasked
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Record

_LEARN_FROM = 20_000
_SHOWN = 4
_TRY_FIRST = 300
"""Most sets are not structured: these few records tell, and the others need not be read."""


@check_factory(
    harm=72,
    advice="Correct the answers that say what the request does not, or leave out what it says.",
)
def faithfulness(*, min_records: int = 50, said_from: float = 0.6, structured_share: float = 0.6) -> Check:
    """Finds texts written from data (`name[The Eagle], food[Thai]`, JSON, `key: value` lines) that do not fit the data.

    Slots are judged only where the set says their values most of the time, literally or in words that go with the
    value. Nothing is repaired.

    Args:
        min_records: Fewer structured records are not judged.
        said_from: Share of a slot's records that must say its value for the slot to be judged.
        structured_share: Share of the records that must have a structured request.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        tried = sample([r.prompt_text for r in records], _TRY_FIRST)
        if sum(bool(slots_of(records[i].prompt_text)) for i in tried) < 0.5 * structured_share * len(tried):
            return
        asked = {
            i: slots
            for i, r in enumerate(records)
            if r.answer_text.strip() and (slots := slots_of(r.prompt_text)) and not slots_of(r.answer_text)
        }
        if len(asked) < max(min_records, structured_share * len(records)):
            return
        texts = {i: plain(records[i].answer_text) for i in asked}
        listed = list(asked)
        learned = [listed[i] for i in sample([texts[i] for i in listed], _LEARN_FROM)]
        wording = learn([(asked[i], texts[i]) for i in learned])
        judged = {key for key, share in wording.said.items() if share >= said_from}
        if not judged:
            return
        faults = {i: fault for i in asked if any(fault := _faults(asked[i], texts[i], wording, judged))}
        if not faults:
            return
        ranked = sorted(faults, key=lambda i: (-sum(map(len, faults[i])), i))
        missing, added = (sum(bool(f[k]) for f in faults.values()) for k in (0, 1))
        yield Finding(
            check="faithfulness",
            severity="warning",
            sentence=(
                f"{count_of(len(ranked), 'answer')} of {len(asked):,} {verb(len(ranked), 'does', 'do')} not match"
                f" the request: {missing:,} {verb(missing, 'leaves', 'leave')} something out, {added:,}"
                f" {verb(added, 'adds', 'add')} something that the request does not have."
            ),
            indices=tuple(ranked),
            evidence=tuple(_shown(*faults[i], records[i].answer_text) for i in ranked),
            details={
                "missing": missing,
                "added": added,
                "judged": len(asked),
                "slots": {key: round(share, 3) for key, share in sorted(wording.said.items())},
            },
        )

    return check


def _faults(slots: Sequence[Slot], text: str, wording: Wording, judged: set[str]) -> tuple[list[Slot], list[Slot]]:
    """(values asked for and not said, values said and not asked for)."""
    grams = grams_of(text)
    missing = [slot for slot in slots if slot[0] in judged and not wording.says(slot, text, grams)]
    added = [slot for slot in unasked(slots, grams, wording) if slot[0] in judged]
    return missing, added


def _shown(missing: Sequence[Slot], added: Sequence[Slot], answer: str) -> str:
    parts = [
        f"{word} {', '.join(f'{k} “{v}”' for k, v in slots[:_SHOWN])}"
        for word, slots in (("missing", missing), ("added", added))
        if slots
    ]
    return f"{'; '.join(parts)}: {quote(answer, 80)}"
