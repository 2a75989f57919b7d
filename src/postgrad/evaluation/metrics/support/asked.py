"""What a model was asked for a case, and its likelihoods of answers, for metrics that look at them."""

from __future__ import annotations

from postgrad.errors import UsageError
from postgrad.evaluation.metrics.support.metric import Case, MetricResources, Sides
from postgrad.evaluation.prompting import without_system
from postgrad.records import Conversation, Message


def own_request(case: Case) -> tuple[Message, ...]:
    """The request alone, as the base is asked."""
    record = case.record
    if isinstance(record, Conversation):
        return without_system(record.prompt)
    return (Message("user", record.prompt_text if record is not None else ""),)


def asked_with(case: Case) -> tuple[Message, ...]:
    """The messages that the arm asked with."""
    return case.asked or own_request(case)


def sides_of(means: MetricResources, name: str) -> tuple[Sides, Sides]:
    """How likely the model finds answers as it stands, and how likely the base does.

    Raises:
        UsageError: no model can be asked.
    """
    if means.sides is None or means.starting is None:
        raise no_likelihoods(name)
    return means.sides, means.starting


def no_likelihoods(name: str) -> UsageError:
    """What a metric says that has no model to ask."""
    return UsageError(
        f"{name} needs a model that can be asked for likelihoods.", "Local models can; remote ones cannot."
    )
