"""Parts of a report that look at single answers: where an arm does worse than elsewhere, and samples side by side."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.evaluation.slices import SliceResult, worst_slices
from postgrad.measures import ArmResult
from postgrad.records import Record
from postgrad.report.run_report import SamplePart, SlicePart
from postgrad.steps.examples import Examples

SAMPLES = 8


def edge_cases(seed: int, examples: Examples, results: Sequence[ArmResult]) -> list[SlicePart]:
    """Where the best arm (the fine-tuned one, if there is one) does worse than elsewhere, beside the best
    alternative."""
    results = [r for r in results if not r.stopped]
    ranked = sorted(results, key=lambda r: (not r.requires_training, -r.score.value))
    if len(ranked) < 2:
        return []
    other = max(
        (r for r in results if r is not ranked[0] and not r.requires_training),
        key=lambda r: r.score.value,
        default=ranked[1],
    )
    found = worst_slices(examples.test, examples.train, ranked[0].scores, other.scores, seed)
    return [slice_part(s) for s in found]


def slice_part(found: SliceResult) -> SlicePart:
    """A slice as the report keeps it."""
    return SlicePart(
        slice=found.name,
        n=len(found.places),
        fine_tuned=found.score.value,
        against=found.against,
        interval=(found.score.low, found.score.high),
        rest=found.rest,
        p_worse=found.p_worse,
    )


def sample_parts(test: Sequence[Record], results: Sequence[ArmResult]) -> list[SamplePart]:
    """Test examples side by side: first those where the arms differ most, then the rest in order."""
    seen = [{r.name: found for r in results if (found := r.at(i)) is not None} for i in range(len(test))]
    spread = [max(s for _, s in row.values()) - min(s for _, s in row.values()) for row in seen]
    order = sorted(range(len(test)), key=lambda i: -spread[i])
    right = order[: SAMPLES // 2]
    tuned = [r for r in results if r.requires_training]
    wrong = [i for i in range(len(test)) if tuned and tuned[-1].scores[i] < 0.5 and i not in right]
    chosen = (right + wrong + order)[: SAMPLES * 4]
    picked = list(dict.fromkeys(chosen))[:SAMPLES]
    return [
        SamplePart(
            prompt=test[i].prompt_text,
            reference=test[i].answer_text,
            answers={n: a for n, (a, _) in seen[i].items()},
            scores={n: s for n, (_, s) in seen[i].items()},
        )
        for i in picked
    ]
