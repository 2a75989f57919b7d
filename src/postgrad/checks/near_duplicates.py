"""Nearly the same example with the same answer: nothing wrong to learn, but a leak if one half is tested."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.checks.duplicates import record_key
from postgrad.checks.wording import count_of, place, quote
from postgrad.findings import Check, Context, Finding
from postgrad.records import Record
from postgrad.similarity import DEFAULT_THRESHOLD, exact_key, find_similar


def near_duplicates(*, threshold: float = DEFAULT_THRESHOLD, answer_threshold: float = 0.8) -> Check:
    """Finds records whose prompt is nearly an earlier one's and whose answer is the same. The split keeps them together.

    Args:
        threshold: From which similarity two prompts count as nearly the same.
        answer_threshold: The same for answers of more than a few words; short ones must be equal.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        keys = [record_key(r) for r in records]
        answers = [exact_key(r.answer_text) for r in records]
        found: dict[int, tuple[int, float]] = {}
        for first, second, score in find_similar([r.prompt_text for r in records], threshold).pairs:
            if (
                not answers[first]
                or keys[first] == keys[second]
                or not _same_answer(answers[first], answers[second], answer_threshold)
            ):
                continue
            if second not in found or score > found[second][1]:
                found[second] = (first, score)
        if not found:
            return
        ranked = sorted(found.items(), key=lambda item: (-item[1][1], item[0]))
        yield Finding(
            check="near_duplicates",
            severity="warning",
            sentence=f"{count_of(len(found), 'record')} nearly repeat{'s' if len(found) == 1 else ''} another one with the "
            "same answer; they are kept, and never divided between training and test.",
            indices=tuple(index for index, _ in ranked),
            evidence=tuple(
                f"{100 * score:.0f} % like {place(records[o].source)}: {quote(records[i].prompt_text, 50)} / "
                f"{quote(records[o].prompt_text, 50)}"
                for i, (o, score) in ranked
            ),
            details={"count": len(found), "threshold": threshold},
        )

    return check


def _same_answer(first: str, second: str, threshold: float) -> bool:
    """Equal, or for longer texts nearly equal by their words."""
    if first == second:
        return True
    left, right = set(first.split()), set(second.split())
    if min(len(left), len(right)) < 8:
        return False
    return len(left & right) / len(left | right) >= threshold
