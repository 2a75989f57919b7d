"""The learning curve of a job: trainings on parts of the training data, measured on the same test part as the whole
one.

They are no arms: nobody would take a model that saw less. Each is kept like any other training, so an interrupted curve
goes on where it stopped, and a later wish for another share pays for that share alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.data.split.subsets import nested_subset
from postgrad.decision.learning_curve import (
    FEWEST_EXAMPLES,
    SHARES,
    SMALLER,
    affordable,
    curve_sentence,
    fit,
    steps_for,
)
from postgrad.evaluation.arms import Arm
from postgrad.measures import ArmResult
from postgrad.pages.formatting import duration
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe
from postgrad.report.advice import CurvePart, ForecastPart
from postgrad.steps.arms.making import Making
from postgrad.steps.arms.measuring import answered, as_tested
from postgrad.steps.context import Clock
from postgrad.steps.fitting.training import (
    Result,
    TrainingWork,
    load_replay,
    passages_in,
    plan_of,
    trained_model,
    trained_on,
)
from postgrad.steps.time_budget import seconds_for_curve
from postgrad.training.trainer import Plan

AHEAD = (2, 4)
"""Times the training data that the curve is drawn on to."""
_SLACK = 1.2
"""Estimated times are exceeded by so much now and then."""


@dataclass(frozen=True)
class CurvePlan:
    """Which trainings the curve is made of.

    Attributes:
        shares: Of the training part; None: the usual ones as far as there is time, empty: none.
        plan: Of the whole training.
        replay: Files of general examples to mix in.
        stratify: Metadata key whose values each part holds in proportion; None: the labels.
        smallest_worth: The smallest gain worth having, for the sentence.
    """

    shares: Sequence[float] | None
    plan: Plan
    replay: Sequence[str]
    stratify: str | None
    smallest_worth: float

    @classmethod
    def of(cls, recipe: Recipe) -> CurvePlan:
        """As the recipe wishes."""
        return cls(
            recipe.evaluation.curve,
            plan_of(recipe.training, recipe.seed),
            recipe.training.replay,
            recipe.data.stratify,
            recipe.decision.smallest_worth,
        )


def learning_curve(
    making: Making, wish: CurvePlan, arms: Sequence[Arm], results: Sequence[ArmResult], trained: Result | None
) -> Working[CurvePart | None]:
    """The curve through the trained arm's score and those of trainings on less; None where none is wanted.

    Unasked it is made as far as `max_minutes` leaves time, or a fifth of the run's own, and its part of the report says
    so where neither does.
    Afterwards the model answers with the whole training's weights, as before.
    """
    ctx, examples = making.ctx, making.examples
    if trained is None or (wish.shares is not None and not wish.shares):
        return None
    if examples.material is not None:
        yield Said("No learning curve is made where preferences, ratings, rewards or raw text are learned.")
        return None
    yield Stage("curve", "Training on parts of the examples, for the learning curve")
    full = max((r for r in results if r.requires_training), key=lambda r: r.score.value)
    wished = sorted(set(wish.shares or SHARES))
    large = [share for share in wished if round(share * len(examples.train)) >= FEWEST_EXAMPLES]
    costs, left = _costs(large, full, trained), _left(wish, ctx.clock, trained)
    shares = affordable(large, costs, left)
    if not shares and wish.shares is None and round(SMALLER * len(examples.train)) >= FEWEST_EXAMPLES:
        shares = affordable([SMALLER], _costs([SMALLER], full, trained), left)
    if not shares:
        part = CurvePart(sentence=_why_not(ctx.clock, len(examples.train), wished, costs))
        yield Said(part.sentence)
        return part
    start = time.monotonic()
    scores: dict[int, Sequence[float]] = {len(examples.train): full.scores}
    arm = next(a for a in arms if a.name == full.name)
    for share in shares:
        size, found = yield from _trained_on_share(making, wish, share, arm, trained)
        scores[size] = found
    making.model.use(trained.trained, trained.blob)
    ctx.ledger.took("learning curve", time.monotonic() - start)
    curve = fit(scores, [times * len(examples.train) for times in AHEAD], ctx.seed, examples.groups)
    forecasts = [ForecastPart(examples=f.examples, score=f.score, interval=(f.low, f.high)) for f in curve.forecasts]
    part = CurvePart(
        points=list(curve.points),
        forecast=None if curve.fell else forecasts[0],
        further=[] if curve.fell else forecasts[1:],
        gain=None if curve.fell else curve.gain,
        unstable=bool(curve.fell),
        needed=curve.needed,
        sentence=curve_sentence(curve, wish.smallest_worth) + _how_trained(trained) + _without(wished, large, shares),
    )
    yield Said(part.sentence)
    return part


def _trained_on_share(
    making: Making, wish: CurvePlan, share: float, arm: Arm, whole: Result
) -> Working[tuple[int, Sequence[float]]]:
    """(training examples, score of each test example) of a training on a share of the data."""
    ctx, model, train, grounding = making.ctx, making.model, making.examples.train, making.grounding
    subset = nested_subset(train, share, seed=ctx.seed, stratify_key=wish.stratify)
    records = trained_on(subset, grounding, model)
    validation = trained_on(making.examples.validation, grounding, model)
    settings = whole.part.settings
    steps = steps_for(share, settings["total_steps"])
    passes = max(settings["epochs"], (steps + 1) * wish.plan.batch_size / len(records))
    # the curve tells examples apart, not rates or replay
    same = {"learning_rate": settings["learning_rate"], "base_replay": settings["base_replay"]}
    plan = wish.plan.model_copy(update={"epochs": passes, "max_steps": steps, **same})
    yield Said(f"{len(subset)} of {len(train)} training examples, {steps} steps")
    # nobody takes this model: how far it is from the base need not be measured
    work = TrainingWork(records, validation, plan, passages_in(grounding), load_replay(wish.replay), near_base=False)
    result = yield from trained_model(ctx, model, work)
    model.use(result.trained, result.blob)
    how = as_tested(ctx, model, making.task, making.examples, result.blob)
    measured = yield from answered(how, arm, making.examples.test, making.task.choice)
    yield Said(f"Trained on {len(subset)}: {making.task.choice.primary.title} {measured.score.in_words}")
    return len(subset), measured.scores


def _costs(shares: Sequence[float], full: ArmResult, trained: Result) -> dict[float, float]:
    """Seconds that each share will take, from what the whole training and its measurement took."""
    steps = max(1, trained.part.steps)
    total = trained.part.settings["total_steps"]
    measuring = len(full.scores) * full.latency_ms_p50 / 1000
    return {s: _SLACK * (trained.seconds * steps_for(s, total) / steps + measuring) for s in shares}


def _without(wished: Sequence[float], large: Sequence[float], taken: Sequence[float]) -> str:
    """What is said of wished shares that were not trained on."""
    small = [f"{100 * share:g} %" for share in wished if share not in large]
    dear = [f"{100 * share:g} %" for share in large if share not in taken]
    said = f" {' and '.join(small)} of the examples would be fewer than {FEWEST_EXAMPLES}." if small else ""
    return said + (
        f" {' and '.join(dear)} was left out to stay within the time limit; --curve adds it." if dear else ""
    )


def _left(wish: CurvePlan, clock: Clock, trained: Result) -> float | None:
    """Seconds that the curve may take; None for any number."""
    return None if wish.shares else seconds_for_curve(clock, trained.seconds)


def _how_trained(trained: Result) -> str:
    """What tells the points apart besides the examples."""
    said = " The parts were trained in proportion, with as many passes over their examples or more."
    if trained.part.cut_short:
        said += " The whole training was cut short by the time limit: with more time its own score may rise."
    return said


def _why_not(clock: Clock, train: int, wished: Sequence[float], costs: dict[float, float]) -> str:
    if not costs:
        return (
            f"No learning curve: {train} training examples are too few to leave some out; a part of "
            f"{100 * max(wished):g} % would have fewer than {FEWEST_EXAMPLES}."
        )
    return (
        f"No learning curve, to stay within {clock.minutes:g} minutes: it would take about "
        f"{duration(sum(costs.values()))} more. The same command with --curve computes it; finished trainings are"
        " kept."
    )
