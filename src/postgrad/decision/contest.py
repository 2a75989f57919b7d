"""Which of several ways to do the task to take, where none of them has to be trained any more. Policy without I/O.

The best score wins if it beats every other by more than the smallest difference worth having, significantly after Holm.
Where it does not, the cheapest of those that cannot be worse by what is worth having is as good; where that is not
shown either, the test set cannot tell, and the sentence names what to use meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from postgrad.decision.budget import MonthlyBudget
from postgrad.decision.case import is_useless
from postgrad.decision.rules import (
    Comparisons,
    beats,
    best_first,
    between,
    by_pair,
    cheapest,
    choose,
    examples_to_settle,
    excluded,
    is_cheaper,
    likely_below,
)
from postgrad.decision.verdict import NOTHING_WORKS, SMALLEST_WORTH, USELESS_REASON
from postgrad.decision.wording import (
    about,
    achieved,
    achieved_too,
    comparison_reasons,
    gain_excluded,
    interval,
    opening_name,
    plain_name,
    points,
    too_few,
)
from postgrad.measures import ArmResult, Comparison, Verdict


def contest(
    arms: Sequence[ArmResult],
    comparisons: Sequence[Comparison],
    *,
    smallest_worth: float = SMALLEST_WORTH,
    metric: str = "",
    budget: MonthlyBudget | None = None,
) -> Verdict:
    """What to use among these.

    Args:
        arms: All measured on the same examples.
        comparisons: Of every pair, in either direction, Holm-corrected.
        smallest_worth: The smallest difference worth having.
        metric: How a person calls the primary metric.
        budget: What may be spent a month beside what each arm costs; without a limit where none is given.

    Raises:
        ValueError: no arms, or a comparison that is needed is missing.
    """
    if not arms:
        raise ValueError("no arms to decide between")
    budget = budget or MonthlyBudget()
    verdict = _best_of(budget.affordable(arms) or arms, comparisons, smallest_worth, metric)
    verdict = budget.kept_by(verdict, verdict.recommendation)
    return replace(verdict, reasons=(*verdict.reasons, *budget.reasons(arms)))


def _best_of(
    arms: Sequence[ArmResult], comparisons: Sequence[Comparison], smallest_worth: float, metric: str
) -> Verdict:
    ranked = sorted(arms, key=best_first)
    best, others = ranked[0], ranked[1:]
    if is_useless(best):
        sentence = f"None works: even the best, {plain_name(best.name)}, {achieved(best, metric)}."
        return Verdict("cannot_tell", sentence, (USELESS_REASON,), tuple(comparisons), why=NOTHING_WORKS)
    if not others:
        sentence = f"{opening_name(best.name)} {achieved(best, metric)}; nothing else was measured."
        return Verdict(best.name, sentence, (), tuple(comparisons))
    table = by_pair(comparisons)
    pairs = {a.name: between(table, best.name, a.name) for a in others}
    open_ones = [a for a in others if not beats(pairs[a.name], smallest_worth)]
    reasons = comparison_reasons([pairs[a.name] for a in others])
    if not open_ones:
        rival = others[0]
        c = pairs[rival.name]
        sentence = (
            f"Use {plain_name(best.name)}: it {achieved(best, metric)} where the next best, {plain_name(rival.name)}, "
            f"{achieved_too(rival)}; the difference is {points(c.difference)} points ({interval(c.low, c.high)})."
        )
        return Verdict(best.name, sentence, reasons, tuple(comparisons))
    if all(excluded(pairs[a.name], smallest_worth) for a in open_ones):
        return _alike(best, open_ones, pairs, reasons, comparisons, smallest_worth, metric)
    meanwhile = choose(arms, table, smallest_worth)
    return _cannot_tell(best, open_ones, meanwhile, table, reasons, comparisons, smallest_worth, metric)


def _alike(
    best: ArmResult,
    tied: Sequence[ArmResult],
    pairs: Mapping[str, Comparison],
    reasons: tuple[str, ...],
    comparisons: Sequence[Comparison],
    worth: float,
    metric: str,
) -> Verdict:
    """None of the tied can be worse by what is worth having: the cheapest is enough."""
    choice = cheapest(best, tied)
    other = best if choice is not best else tied[0]
    c = pairs[other.name] if choice is best else pairs[choice.name]
    known = all(is_cheaper(choice, a) for a in (best, *tied) if a is not choice)
    sentence = (
        f"Use {plain_name(choice.name)}{', the cheapest' if known else ''}: it {achieved(choice, metric)} and"
        f" {plain_name(other.name)} {achieved_too(other)}; a difference of {points(worth)} points is excluded"
        f" ({interval(c.low, c.high)})."
    )
    return Verdict(choice.name, sentence, reasons, tuple(comparisons))


def _cannot_tell(
    best: ArmResult,
    tied: Sequence[ArmResult],
    meanwhile: ArmResult,
    table: Comparisons,
    reasons: tuple[str, ...],
    comparisons: Sequence[Comparison],
    worth: float,
    metric: str,
) -> Verdict:
    rival = tied[0]
    c = between(table, best.name, rival.name)
    other = rival if meanwhile is best else best
    gain = between(table, other.name, meanwhile.name)
    risk = gain_excluded(plain_name(other.name), gain.high, likely_below(gain))
    count = examples_to_settle(c, worth)
    sentence = (
        f"Cannot tell {plain_name(best.name)} from {plain_name(rival.name)}: the first {achieved(best, metric)}, the"
        f" second {achieved_too(rival)}, and the difference of {points(c.difference)} points"
        f" ({interval(c.low, c.high)}) is not settled; about {about(count)} test examples would settle it, there are"
        f" {c.n}. Use {plain_name(meanwhile.name)} meanwhile: {risk}."
    )
    return Verdict("cannot_tell", sentence, reasons, tuple(comparisons), count, meanwhile.name, too_few(c.n))
