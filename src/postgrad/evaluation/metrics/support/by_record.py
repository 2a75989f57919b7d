"""Which metric suits records of other shapes than a request with its right answer: pairs, ratings, tasks that a grader
judges, and raw text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postgrad.errors import UsageError
from postgrad.evaluation.graders.as_metric import grader_metric
from postgrad.evaluation.metrics.perplexity import bits_saved, perplexity
from postgrad.evaluation.metrics.preferred import rated_accuracy, reward_accuracy
from postgrad.evaluation.metrics.support.choose import MetricChoice, choose_metric
from postgrad.evaluation.metrics.support.fields import reference_of
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.json_types import JsonMapping
from postgrad.records import Preference, Rating, Record, Task, Text

PAIRS = (
    "The examples are pairs of a better and a worse answer, so a way of answering is judged by how often it makes the"
    " better one likelier than the base does, compared with the worse one; under the base itself that is half."
)
RATINGS = (
    "The examples are rated answers, so a way of answering is judged by whether its likelihoods, compared with the"
    " base's, are highest for the answers that were rated good; under the base itself that is chance."
)
TEXTS = (
    "The data is raw text, so a way of going on from it is judged by how many bits it saves in foretelling text that"
    " was kept aside: the base, which reads the text alone, has 50, and every point more is one per cent of bits saved."
)
CONTINUED = 80
"""Passages of raw text that every way goes on from in its own words, for the measures of voice."""


def choose_for(
    kind: type[Record],
    questions: Sequence[Record],
    metric: str | None,
    means: MetricResources,
    grader: str | JsonMapping | None = None,
) -> MetricChoice:
    """The metrics for records of a kind.

    Args:
        kind: Of the records as they were read.
        questions: What `question_of` makes of them.
        metric: The user's own choice of primary metric.
        means: What metrics may use besides text.
        grader: What grades the answers of tasks while a model is trained on them.

    Returns:
        Right answers decide where there are any, and the grader stands beside them; of tasks the grader decides.

    Raises:
        UsageError: As `choose_metric`; or there is nothing that tells wanted answers from others.
    """
    if kind is Preference:
        return _preferred(reward_accuracy(means), PAIRS, questions, metric, means)
    if kind is Rating:
        return _preferred(rated_accuracy(means), RATINGS, questions, metric, means)
    if kind is Text:
        return _foretold(metric, means)
    if kind is Task and metric is None and grader is not None:
        return _graded(questions, grader, means)
    chosen = choose_metric(questions, metric, means)
    if not grader:
        return chosen
    beside, known = _grader(grader, means), [m.name for m in (chosen.primary, *chosen.secondary)]
    if beside.name in known or beside.unfit([Case("", reference_of(q), q) for q in questions]):
        return chosen
    return replace(chosen, secondary=(*chosen.secondary, beside))


def _preferred(
    usual: Metric, why: str, questions: Sequence[Record], metric: str | None, means: MetricResources
) -> MetricChoice:
    if metric is not None and metric != usual.name:
        chosen = choose_metric(questions, metric, means)
        return MetricChoice(
            chosen.primary, (*chosen.secondary, usual), "preference", f"{chosen.why} {why}", chosen.form
        )
    if fault := usual.unfit([Case("", reference_of(q), q) for q in questions]):
        raise UsageError(
            f"The metric {usual.name!r} cannot judge this data: {fault}.", "The shapes are in docs/data.md."
        )
    return MetricChoice(usual, (), "preference", why, shown=means.ask is not None)


def _foretold(metric: str | None, means: MetricResources) -> MetricChoice:
    if metric not in (None, "bits_saved"):
        raise UsageError(
            f"The metric {metric!r} judges answers, and raw text has none.",
            "It is judged by bits_saved; leave --metric out.",
        )
    return MetricChoice(bits_saved(means), (perplexity(means),), "text", TEXTS, samples=CONTINUED)


def _graded(questions: Sequence[Record], grader: str | JsonMapping, means: MetricResources) -> MetricChoice:
    """The reward that a model is trained by also judges every other way."""
    primary = _grader(grader, means)
    why = f"Answers are judged by what grades them in training: {primary.title or primary.name}."
    if fault := primary.unfit([Case("", reference_of(q), q) for q in questions]):
        raise UsageError(
            f"The grader {primary.name!r} cannot judge this data: {fault}.", "Name another in training.grader."
        )
    return MetricChoice(primary, (), "reinforcement", why)


def _grader(grader: str | JsonMapping, means: MetricResources) -> Metric:
    """What grades in training, as a metric."""
    named = isinstance(grader, str) and not grader.endswith(".json")
    return metric_named(str(grader), means) if named else grader_metric(means, grader)
