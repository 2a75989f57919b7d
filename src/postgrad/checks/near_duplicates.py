"""Nearly the same example with the same answer: nothing wrong to learn, but a leak if one half is tested."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from postgrad.checks.duplicates import record_key
from postgrad.checks.support.own_checks import refuse_lower
from postgrad.checks.support.phrases import count_of, place, quote
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Record
from postgrad.similarity.near_duplicates import DEFAULT_THRESHOLD, exact_keys, find_similar
from postgrad.similarity.templates import template_pairs

_MANY = 0.05
"""A smaller share changes little: the split keeps such records together, and training hardly notices them."""


@check_factory(
    harm=20,
    advice=("Keep one of each cluster if repetition does not reflect real use; the split keeps clusters together."),
)
def near_duplicates(*, threshold: float = DEFAULT_THRESHOLD, answer_threshold: float = 0.8) -> Check:
    """Finds records whose prompt is nearly an earlier one's and whose answer is the same. The split keeps them
    together.

    Two prompts that differ in a number or a name are fillings of one template and no repeats: they are counted in the
    details and not listed. The split keeps these together too.

    Args:
        threshold: From which similarity two prompts count as nearly the same.
        answer_threshold: The same for answers of more than a few words; short ones must be equal.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        prompts = [r.prompt_text for r in records]
        answers = exact_keys([r.answer_text for r in records])
        pairs = [
            pair
            for pair in find_similar(prompts, threshold).pairs
            if answers[pair[0]] and _same_answer(answers[pair[0]], answers[pair[1]], answer_threshold)
        ]
        if finding := _told(records, prompts, pairs, threshold):
            yield finding

    return check


def _told(
    records: Sequence[Record], prompts: Sequence[str], pairs: Sequence[tuple[int, int, float]], threshold: float
) -> Finding | None:
    """The finding at a threshold, of the pairs with the same answer."""
    templates = template_pairs(prompts, pairs)
    found: dict[int, tuple[int, float]] = {}
    for first, second, score in pairs:
        if (first, second) in templates or record_key(records[first]) == record_key(records[second]):
            continue
        if second not in found or score > found[second][1]:
            found[second] = (first, score)

    def above(higher: float) -> Finding | None:
        refuse_lower("near_duplicates", higher, threshold)
        return _told(records, prompts, [pair for pair in pairs if pair[2] >= higher], higher)

    return _finding(records, found, threshold, len(templates), above) if found else None


def _finding(
    records: Sequence[Record],
    found: dict[int, tuple[int, float]],
    threshold: float,
    templates: int,
    above: Callable[[float], Finding | None],
) -> Finding:
    ranked = sorted(found.items(), key=lambda item: (-item[1][1], item[0]))
    return Finding(
        check="near_duplicates",
        severity="warning" if len(found) > _MANY * len(records) else "info",
        sentence=(
            f"{count_of(len(found), 'record')} nearly repeat{'s' if len(found) == 1 else ''} another one with the "
            "same answer; they are kept, and never divided between training and test."
        ),
        indices=tuple(index for index, _ in ranked),
        evidence=tuple(
            f"{100 * score:.0f} % like {place(records[o].source)}: {quote(records[i].prompt_text, 50)} / "
            f"{quote(records[o].prompt_text, 50)}"
            for i, (o, score) in ranked
        ),
        details={"count": len(found), "threshold": threshold, "template_pairs": templates},
        above=above,
    )


def _same_answer(first: str, second: str, threshold: float) -> bool:
    """Equal, or for longer texts nearly equal by their words."""
    if first == second:
        return True
    left, right = set(first.split()), set(second.split())
    if min(len(left), len(right)) < 8:
        return False
    return len(left & right) / len(left | right) >= threshold
