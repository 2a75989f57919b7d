"""Judging all benchmarks of a run together, so that a dozen of them do not veto a sound model by chance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist

from postgrad.evaluation.battery import HARNESS, KINDS, TESTS, TOGETHER
from postgrad.evaluation.statistics.scores import noninferiority, score_interval
from postgrad.evaluation.statistics.significance import holm
from postgrad.measures import NEIGHBOUR, Forgetting

ONE_SIDED = 0.025
"""The level of one side of a 95 % interval: what a single benchmark's `lost` means."""
CHOICE = ("knowledge", "commonsense", "reading", "arithmetic")
"""Kinds that are multiple choice; they are tested once more, all together."""
_LITTLE = "The base scores next to nothing here: little can be lost."
POWER = 0.8
"""A loss is called visible where it would be seen so often."""
_HARDLY = 0.1
"""A base that does less than this share of what a test asks for has little to lose."""


def judge(
    before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]], margin: float
) -> list[Forgetting]:
    """The non-inferiority test of every benchmark that both have, in the order of `KINDS`; lost only after Holm.

    Where several are multiple choice, a test of all their items together stands after them: it has the items that each
    alone lacks.
    """
    names = [name for name in after if name in before]
    pooled = pooled_choice(before, after)
    family = len(names) + (pooled is not None)

    def tested(name: str, was: Sequence[float], now: Sequence[float]) -> Forgetting:
        seen = margin + reach(was, now, family) / math.sqrt(len(was))
        return replace(noninferiority(was, now, margin, name=name), seen=seen)

    tests = [_described(tested(n, before[n], after[n]), before[n]) for n in names]
    if pooled:
        tests.append(replace(tested(TOGETHER, *pooled), kind="together", title="All items of multiple choice"))
    order = list(KINDS)
    return sorted(judged_together(tests), key=lambda t: order.index(t.kind))


def pooled_choice(
    before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]]
) -> tuple[list[float], list[float]] | None:
    """All items of multiple choice, before and after; None where fewer than two benchmarks have choices."""
    choice = [n for n in after if n in before and _kind(n) in CHOICE]
    if len(choice) < 2:
        return None
    return [v for n in choice for v in before[n]], [v for n in choice for v in after[n]]


def reach(before: Sequence[float], after: Sequence[float], family: int) -> float:
    """How far beyond the margin a loss must lie to be seen four times in five on one item; with n items the root of n
    times less.

    It rests on how many items changed, either way, and not on the change of the score: asking for more items because
    of it does not make a false alarm likelier.

    Args:
        family: Tests of the run, over which Holm corrects; the smallest p-value is held against all of them.
    """
    changed = sum((a - b) ** 2 for a, b in zip(before, after, strict=True))
    spread = math.sqrt((changed + 1) / (len(before) + 2))  # as if one item in two more had changed: never none
    return (_z(1 - ONE_SIDED / max(1, family)) + _z(POWER)) * spread


def _z(probability: float) -> float:
    return NormalDist().inv_cdf(probability)


def judged_together(tests: Sequence[Forgetting]) -> list[Forgetting]:
    """The same tests, `lost` only where that holds after Holm's correction over all of them.

    `kept` needs no correction: it is said of each benchmark alone, and "all were kept" demands every one.
    """
    adjusted = holm([t.p_lost for t in tests])
    out = []
    for test, p in zip(tests, adjusted, strict=True):
        by_chance = test.verdict == "lost" and p >= ONE_SIDED
        note = f"Lost when looked at alone; among {len(tests)} tests that can be chance." if by_chance else test.note
        out.append(replace(test, p_lost=p, verdict="cannot_tell" if by_chance else test.verdict, note=note))
    return out


def _kind(name: str) -> str:
    if name in TESTS:
        return TESTS[name].kind
    return "own" if name.startswith(HARNESS) else NEIGHBOUR


def _described(test: Forgetting, before: Sequence[float]) -> Forgetting:
    """With kind and title, and with a warning where the base has little to lose.

    Where it only guesses, a lower score after training is another way of guessing and no loss: the test is then none of
    the family that Holm's correction is over.
    """
    if test.name not in TESTS:
        note = _LITTLE if test.base < _HARDLY and not test.name.startswith(HARNESS) else ""
        return replace(test, kind=_kind(test.name), title=test.name.removeprefix(HARNESS), note=note)
    about = TESTS[test.name]
    test = replace(test, kind=about.kind, title=about.title)
    if about.chance and score_interval(before).low <= about.chance:
        note = f"The base only guesses here ({100 * about.chance:.0f} % are right by chance): it has nothing to lose."
        if test.verdict == "kept":
            return replace(test, note=note)
        return replace(test, note=note, verdict="cannot_tell", p_lost=1.0, guessed=True)
    if not about.chance and test.base < _HARDLY:
        return replace(test, note=f"The base does so in {sum(before):.0f} of {test.n}: little can be lost.")
    return test
