"""The verdict before training: stop where no training can be worth it, and show why. Policy without I/O.

It must hardly ever be wrong: a stop is wrong where a tuned model would truly have gained the smallest worth and, on
top, what this test set resolves. That happens in under 5 % of cases by construction (`best_low` is a lower limit that
holds for all untrained arms together with 95 %), and a simulation over truths checks it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from postgrad.arm_kinds import recommended_arm
from postgrad.decision.power import FEWEST_PAIRS
from postgrad.decision.rules import best_first, examples_to_show, is_cheaper
from postgrad.decision.verdict import decide
from postgrad.decision.wording import about, achieved, plain_name, points, too_few
from postgrad.measures import ArmResult, Comparison, Verdict

ALL_THE_SAME = "To train anyway: --train-anyway (decision.stop_early=false)."
ERROR = 0.05
"""Probability, at most, that the limit on what can be gained is too low."""
_ESTIMATE = 0.5
"""Training may cost so much of its estimate: a stop for money allows for an estimate twice too high."""


@dataclass(frozen=True, slots=True)
class Earnings:
    """Money: USD.

    Attributes:
        monthly: What a perfect model that answers for nothing would save a month, at the most.
        training: What all planned trainings together are estimated to cost.
        months: In how many months it must be earned back.
        iterations: How many trainings are planned.
    """

    monthly: float
    training: float
    months: float
    iterations: int = 1


@dataclass(frozen=True, slots=True)
class Prospects:
    """What is known before training.

    Attributes:
        arms: The untrained arms, measured on the whole test part.
        comparisons: Of these with each other.
        perfect: An imagined trained arm that answers every test example rightly.
        imagined: The comparisons of it with the untrained arms, and of those with each other.
        best_low: Lower limit of the best untrained arm's true score, at `ERROR` over all untrained arms.
        resolvable: The smallest difference that the test set shows, before anything is measured.
        examples: All examples that the user gave.
        worth: The smallest gain worth having.
        examples_for_worth: Test examples that would show it.
        earnings: Where traffic and the cost of a wrong answer are known.
        needs_documents: As in `decide`.
        metric: How a person calls the primary metric.
        units: How many independent units the test examples form; None: each stands alone.
    """

    arms: Sequence[ArmResult]
    comparisons: Sequence[Comparison]
    perfect: ArmResult
    imagined: Sequence[Comparison]
    best_low: float
    resolvable: float
    examples: int
    worth: float
    examples_for_worth: int | None
    earnings: Earnings | None = None
    needs_documents: bool = False
    metric: str = ""
    units: int | None = None

    @property
    def room(self) -> float:
        """The most that a perfect model can truly gain."""
        return 1 - self.best_low


def stop_before_training(known: Prospects) -> Verdict | None:
    """The verdict that makes training needless, or None: train."""
    test = len(known.perfect.scores)
    units = test if known.units is None else known.units
    if units < FEWEST_PAIRS:
        return _too_few(known, test, units)
    if known.room < known.worth:
        return _use_untrained(known, _no_room(known))
    if known.room < known.worth + known.resolvable and not _perfect_wins(known):
        return replace(
            _use_untrained(known, _unshowable(known, test)), examples_needed=_enough_for_perfect(known, test)
        )
    earnings = known.earnings
    if earnings and earnings.monthly * earnings.months < _ESTIMATE * earnings.training:
        return _use_untrained(known, _unearned(earnings))
    return None


def _perfect_wins(known: Prospects) -> bool:
    """Whether a model that answers every test example rightly would be recommended at all."""
    verdict = decide(
        [*known.arms, known.perfect], known.imagined, smallest_worth=known.worth, needs_documents=known.needs_documents
    )
    return recommended_arm(verdict.recommendation) == known.perfect.name


def _use_untrained(known: Prospects, evidence: tuple[str, ...]) -> Verdict:
    found = decide(
        known.arms,
        known.comparisons,
        smallest_worth=known.worth,
        needs_documents=known.needs_documents,
        metric=known.metric,
    )
    best = min(known.arms, key=best_first)
    by_name = {a.name: a for a in known.arms}
    chosen = by_name.get(found.recommendation, best)
    sentence = (
        f"Stop before training: with {known.examples:,} examples {plain_name(best.name)}"
        f" {achieved(best, known.metric)}. {evidence[0]}"
    )
    if chosen is not best:
        why = "is cheaper" if is_cheaper(chosen, best) else "looks up what the answers rest on"
        sentence += f" Use {plain_name(chosen.name)}, which {achieved(chosen, known.metric)} and {why}."
    return Verdict(chosen.name, sentence, (*evidence[1:], ALL_THE_SAME))


def _no_room(known: Prospects) -> tuple[str, ...]:
    return (
        f"Even a perfect model would gain less than the {points(known.worth)} points that are worth having.",
        _limit(known),
    )


def _unshowable(known: Prospects, test: int) -> tuple[str, ...]:
    best = max(known.arms, key=lambda a: a.score.value)
    left = 1 - best.score.value
    seen = f"a perfect model would gain {points(left)} points there" if left else "nothing is left to gain there"
    return (
        f"On {test} test examples not even a perfect model could be shown to be better.",
        (
            f"{seen[:1].upper()}{seen[1:]}, and differences below {points(known.resolvable)} points usually go"
            f" undetected on {test} test examples."
        ),
        _limit(known),
        *_more_examples(known),
    )


def _enough_for_perfect(known: Prospects, test: int) -> int | None:
    """Test examples that would show what a perfect model gains."""
    left = 1 - max(a.score.value for a in known.arms)
    return max(test + 1, examples_to_show(left, math.sqrt(left), len(known.arms))) if left else known.examples_for_worth


def _limit(known: Prospects) -> str:
    best = max(known.arms, key=lambda a: a.score.value)
    return (
        f"With 95 % certainty the true score of {plain_name(best.name)} is above {100 * known.best_low:.1f} points, so"
        f" that a perfect model truly gains less than {100 * known.room:.1f}."
    )


def _too_few(known: Prospects, test: int, units: int) -> Verdict:
    alike = f", which are {units} independent ones (the others are nearly equal to them, or of their group)"
    sentence = (
        f"Stop before training: {known.examples:,} examples leave {test} to test on{alike if units < test else ''}, and"
        f" fewer than {FEWEST_PAIRS} cannot show any difference between two arms, however large. Give more examples."
    )
    best = min(known.arms, key=best_first)
    meanwhile = best.name if best.score.value else ""
    if meanwhile:
        sentence += (
            f" Use {plain_name(best.name)} meanwhile, which {achieved(best, known.metric)}: that excludes nothing."
        )
    return Verdict(
        "cannot_tell",
        sentence,
        (*_more_examples(known), ALL_THE_SAME),
        examples_needed=known.examples_for_worth,
        meanwhile=meanwhile,
        why=too_few(test),
    )


def _unearned(earnings: Earnings) -> tuple[str, ...]:
    times = f" for {earnings.iterations} planned trainings" if earnings.iterations > 1 else ""
    return (
        (
            f"Training costs about {earnings.training:,.2f} USD{times}, and even a perfect model with free answers"
            f" would save at most {earnings.monthly:,.2f} USD a month, which does not pay it back within"
            f" {earnings.months:g} months."
        ),
        (
            "The saving is the best untrained arm's price of an answer and its wrong answers (decision.monthly_queries,"
            " decision.wrong_answer_cost, decision.price_per_hour, decision.iterations,"
            " decision.payback_months)."
        ),
    )


def _more_examples(known: Prospects) -> tuple[str, ...]:
    if known.examples_for_worth is None:
        return ()
    count = about(known.examples_for_worth)
    return (
        f"About {count} test examples would show a gain of {points(known.worth)} points (decision.smallest_worth).",
    )
