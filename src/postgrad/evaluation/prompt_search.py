"""The search behind `optimised_prompt`: which instruction, which examples in which order. Decisions without a model:
the likelihoods and the answers come from the caller, and both are of training and validation records alone.

First every candidate by the likelihood of right validation answers, which needs no generation; then the best few,
beside what the arms `prompted` and `few_shot` ask, by real answers (successive halving: Jamieson and Talwalkar, AISTATS
2016).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from postgrad.evaluation.candidate_instructions import Instruction
from postgrad.models.embeddings import embed
from postgrad.records import Record

JUDGED = 12
"""Validation answers whose likelihood ranks the candidates."""
CHALLENGERS = 3
"""Candidates that are tried by answers, beside the two that the other arms ask."""
FEWEST_PROMPTS = 10
"""Of a search of fewer prompts nobody should say that it optimised anything."""
FEWEST_ANSWERS = 16
"""Validation answers of each candidate by which the last two rounds are decided, where there are so many."""


@dataclass(frozen=True, slots=True)
class CandidatePrompt:
    """One way to ask.

    Attributes:
        shots: Places of the examples in the training part, in the order shown.
        nearest_last: Whether the example most like the request is moved to the end.
        order: What the order is, for people.
        like: The arm that asks alike; empty where none does.
    """

    instruction: Instruction
    shots: tuple[int, ...] = ()
    nearest_last: bool = False
    order: str = ""
    like: str = ""

    @property
    def words(self) -> str:
        """The prompt in words."""
        where = "" if self.instruction.place == "system" else ", put before the request"
        behind = ", a reminder behind the request" if self.instruction.after else ""
        if not self.shots:
            return f"{self.instruction.name}{where}{behind}, no examples"
        order = "most similar last" if self.nearest_last else self.order
        count = f"{len(self.shots)} example{'s' if len(self.shots) > 1 else ''}"
        return f"{self.instruction.name}{where}{behind}, {count}{f', {order}' if order else ''}"


def with_examples(
    best: Sequence[Instruction], sets: Sequence[Sequence[int]], chosen: Sequence[int], seed: int
) -> list[CandidatePrompt]:
    """Candidates with examples: every set under the best instruction, and the chosen set in other orders and halved.

    Args:
        best: Instructions, best first.
        sets: Sets of places in the training part.
        chosen: The set of the arm few_shot.
    """
    first = best[0]
    shuffled = list(chosen)
    random.Random(seed).shuffle(shuffled)
    half = tuple(chosen[: max(1, len(chosen) // 2)])
    made = [CandidatePrompt(first, tuple(s)) for s in sets]
    made += [CandidatePrompt(i, tuple(chosen)) for i in best]
    made.append(CandidatePrompt(first, tuple(reversed(chosen)), order="in reverse"))
    made.append(CandidatePrompt(first, tuple(shuffled), order="in another order"))
    if len(chosen) > 1:
        made += [CandidatePrompt(first, tuple(chosen), nearest_last=True), CandidatePrompt(first, half)]
    seen = {(p.instruction, p.shots, p.nearest_last): p for p in reversed(made)}
    return list(seen.values())[::-1]


def finalists(prompts: Sequence[CandidatePrompt], likelihoods: Sequence[float], count: int = CHALLENGERS) -> list[int]:
    """Places of those to try by answers: what the other arms ask, then the likeliest of the rest."""
    known = [i for i, p in enumerate(prompts) if p.like]
    rest = sorted((i for i, p in enumerate(prompts) if not p.like), key=lambda i: -likelihoods[i])
    return known + rest[:count]


def rounds(candidates: int, examples: int, answers: int) -> list[int]:
    """On how many examples, all in all, the candidates of each round have answered at its end.

    Half of them (and two at least) go on after each; the last round is of two. Each round costs about the same, but
    that the last two are decided on `FEWEST_ANSWERS` examples at least.

    Args:
        candidates: At the beginning.
        examples: There are so many.
        answers: To be spent in all, unless the last rounds need more.
    """
    left, sizes = candidates, [candidates]
    while left > 2:
        left = max(2, math.ceil(left / 2))
        sizes.append(left)
    share, done, out = answers / len(sizes), 0, []
    for number, size in enumerate(sizes):
        last = number >= len(sizes) - 2
        done = min(examples, max(done + max(1, int(share / size)), FEWEST_ANSWERS if last else 0))
        out.append(done)
    return out


def answers_in(candidates: int, ends: Sequence[int]) -> int:
    """How many answers rounds that end so ask for, all in all."""
    left, before, total = candidates, 0, 0
    for end in ends:
        total += left * (end - before)
        left, before = max(2, math.ceil(left / 2)), end
    return total


def going_on(
    scores: Sequence[Sequence[float]], prompts: Sequence[CandidatePrompt], likelihoods: Sequence[float]
) -> list[int]:
    """Places of the half that goes on, best first; the best of what other arms ask is always among them."""
    order = sorted(range(len(prompts)), key=lambda i: (-float(np.mean(scores[i])), -likelihoods[i]))
    keep = max(2, math.ceil(len(order) / 2))
    incumbent = next((i for i in order if prompts[i].like), order[0])
    kept = order[:keep]
    return kept if incumbent in kept else [*kept[:-1], incumbent]


def winner(scores: Sequence[Sequence[float]], prompts: Sequence[CandidatePrompt]) -> int:
    """The best; of equals what another arm asks already: a difference that does not show is none."""
    return min(range(len(prompts)), key=lambda i: (-float(np.mean(scores[i])), not prompts[i].like))


class NearestLast:
    """Puts the example that is most like the request at the end."""

    def __init__(self, examples: Sequence[Record]) -> None:
        self._examples = list(examples)
        self._vectors = embed([r.prompt_text for r in examples])

    def __call__(self, record: Record) -> list[Record]:
        nearest = int(np.argmax(self._vectors @ embed([record.prompt_text])[0]))
        return [e for i, e in enumerate(self._examples) if i != nearest] + [self._examples[nearest]]


def spread(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """Up to `count` of the records, drawn at random but alike each time."""
    return random.Random(seed).sample(list(records), min(count, len(records)))


def in_order_asked(validation: Sequence[Record], seed: int) -> list[Record]:
    """The validation records in the order in which prompts answer them: what else asks some of them asks the first, so
    that their answers are made once."""
    return spread(validation, len(validation), seed + 1)


def named(prompt: CandidatePrompt, like: str) -> CandidatePrompt:
    """The prompt as what another arm asks."""
    return replace(prompt, like=like)
