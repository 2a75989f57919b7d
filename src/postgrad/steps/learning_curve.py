"""The learning curve of a job: trainings on parts of the training data, measured on the same test part as the whole
one.

They are no arms: nobody would take a model that saw less. Each is kept like any other training, so an interrupted curve
goes on where it stopped, and a later wish for another share pays for that share alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from postgrad.data.split.subsets import nested_subset
from postgrad.decision.learning_curve import FEWEST_EXAMPLES, SHARES, affordable, curve_sentence, fit, steps_for
from postgrad.evaluation.arms import Arm
from postgrad.measures import ArmResult
from postgrad.pages.formatting import duration
from postgrad.progress import Said, Stage, Working
from postgrad.report.advice import CurvePart, ForecastPart
from postgrad.steps.arms import Making
from postgrad.steps.context import Job
from postgrad.steps.measuring import answered, as_tested
from postgrad.steps.training import Result, passages_in, plan_of, trained_model, trained_on

AHEAD = (2, 4)
"""Times the training data that the curve is drawn on to."""
_SLACK = 1.2
"""Estimated times are exceeded by so much now and then."""


def learning_curve(
    making: Making, arms: Sequence[Arm], results: Sequence[ArmResult], trained: Result | None
) -> Working[CurvePart | None]:
    """The curve through the trained arm's score and those of trainings on less; None where none is wanted.

    Unasked it is made as far as `max_minutes` leaves time, and its part of the report says so where it does not.
    Afterwards the model answers with the whole training's weights, as before.
    """
    job, examples = making.job, making.examples
    if trained is None or job.recipe.evaluation.curve == []:
        return None
    yield Stage("curve", "Training on parts of the examples, for the learning curve")
    full = max((r for r in results if r.requires_training), key=lambda r: r.score.value)
    wished = sorted(set(job.recipe.evaluation.curve or SHARES))
    large = [share for share in wished if round(share * len(examples.train)) >= FEWEST_EXAMPLES]
    shares = affordable(large, _costs(large, full, trained), _left(job))
    if not shares:
        part = CurvePart(sentence=_why_not(job, len(examples.train), wished, _costs(large, full, trained)))
        yield Said(part.sentence)
        return part
    start = time.monotonic()
    scores: dict[int, Sequence[float]] = {len(examples.train): full.scores}
    arm = next(a for a in arms if a.name == full.name)
    for share in shares:
        size, found = yield from _trained_on_share(making, share, arm, trained)
        scores[size] = found
    making.model.use(trained.trained, trained.blob)
    job.took("learning curve", time.monotonic() - start)
    curve = fit(scores, [times * len(examples.train) for times in AHEAD], job.recipe.seed)
    forecasts = [ForecastPart(examples=f.examples, score=f.score, interval=(f.low, f.high)) for f in curve.forecasts]
    part = CurvePart(
        points=list(curve.points),
        forecast=forecasts[0],
        further=forecasts[1:],
        gain=curve.gain,
        sentence=curve_sentence(curve, job.recipe.decision.smallest_worth) + _without(wished, large, shares),
    )
    yield Said(part.sentence)
    return part


def _trained_on_share(making: Making, share: float, arm: Arm, whole: Result) -> Working[tuple[int, Sequence[float]]]:
    """(training examples, score of each test example) of a training on a share of the data."""
    job, model, train, grounding = making.job, making.model, making.examples.train, making.grounding
    subset = nested_subset(train, share, seed=job.recipe.seed, stratify_key=job.recipe.data.stratify)
    records = trained_on(subset, grounding, model)
    validation = trained_on(making.examples.validation, grounding, model)
    settings = whole.part.settings
    steps = steps_for(share, settings["total_steps"])
    plan = plan_of(job.recipe.training, job.recipe.seed)
    passes = max(settings["epochs"], (steps + 1) * plan.batch_size / len(records))
    plan = plan.model_copy(update={"epochs": passes, "max_steps": steps})
    yield Said(f"{len(subset)} of {len(train)} training examples, {steps} steps")
    result = yield from trained_model(job, model, records, validation, plan, passages_in(grounding))
    model.use(result.trained, result.blob)
    how = as_tested(job, model, making.examples, result.blob)
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
    return said + (f" {' and '.join(dear)} was left out to keep to the time; --curve adds it." if dear else "")


def _left(job: Job) -> float | None:
    """Seconds that the curve may take; None for any number."""
    return None if job.recipe.evaluation.curve else job.seconds_left()


def _why_not(job: Job, train: int, wished: Sequence[float], costs: dict[float, float]) -> str:
    if not costs:
        return (
            f"No learning curve: {train} training examples are too few to leave some out; a part of "
            f"{100 * max(wished):g} % would have fewer than {FEWEST_EXAMPLES}."
        )
    return (
        f"No learning curve, to keep to {job.recipe.max_minutes:g} minutes: it would take about "
        f"{duration(sum(costs.values()))} more. The same command with --curve makes it; what is done is not done again."
    )
