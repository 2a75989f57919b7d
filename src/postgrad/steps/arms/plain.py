"""The arms without a language model, where a task has a place for them."""

from __future__ import annotations

from postgrad.evaluation import plain_arms
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.metrics import ASKING
from postgrad.evaluation.statistics.baselines import ALIKE, constant_answer
from postgrad.progress import Working
from postgrad.steps.arms.making import Making

NO_LABELS = "the answers are no labels"
NO_LIKENESS = "the metric does not measure likeness of text"
ASKS = "the metric asks a model or reads its likelihoods"


def _asks(making: Making) -> bool:
    """Whether a judge or the model's own likelihoods would be spent on these."""
    return making.task.choice.primary.name in ASKING


def majority(making: Making) -> Working[Arm | str]:
    """Always the commonest answer of training."""
    yield from ()
    answer = constant_answer(making.task.choice, making.examples.train)
    return "no answer recurs" if answer is None else plain_arms.constant(answer)


def nearest(making: Making) -> Working[Arm | str]:
    """The nearest training example's answer."""
    yield from ()
    return ASKS if _asks(making) else plain_arms.nearest(making.examples.train)


def classifier(making: Making) -> Working[Arm | str]:
    """A linear classifier on embeddings."""
    yield from ()
    if making.task.choice.kind != "classification":
        return NO_LABELS
    if _asks(making):
        return ASKS
    return plain_arms.classifier(making.examples.train, making.examples.validation)


def echo(making: Making) -> Working[Arm | str]:
    """The request as its own answer."""
    yield from ()
    return plain_arms.echo() if making.task.choice.primary.name in ALIKE else NO_LIKENESS


def first_sentence(making: Making) -> Working[Arm | str]:
    """The request's first sentence."""
    yield from ()
    return plain_arms.first_sentence() if making.task.choice.primary.name in ALIKE else NO_LIKENESS
