"""Answers that the student samples as it stands, for its teacher to read.

They are a function of seed, step and place, so a step that is done again after a kill has the same ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.models.generation.generate import Decoding
from postgrad.training.batching import answer_seed
from postgrad.training.distillation.examples import Taught, answered
from postgrad.training.objectives.base import Start
from postgrad.training.sampling import sample


def own_answers(
    start: Start, prompts: Sequence[Taught], decoding: Decoding, samples: int, when: int | str, stoppable: bool = True
) -> list[Taught] | None:
    """So many answers to each prompt, each process its share of them; None when asked to stop.

    Args:
        when: The step, or another name of the occasion.
    """
    own = start.world.share(list(enumerate(prompts)))
    seeds = [[answer_seed(start.seed, when, at, k) for k in range(samples)] for at, _ in own]
    stopped = start.stopped if stoppable else lambda: False
    found = sample(start.forward.model, [prompt.ids for _, prompt in own], seeds, decoding, stopped)
    if start.world.any(found is None) or found is None:
        return None
    made = [(at, [answered(p, a.ids) for a in group]) for (at, p), group in zip(own, found, strict=True)]
    groups = sorted(start.world.gathered(made), key=lambda group: group[0])
    return [answer for _, group in groups for answer in group]
