"""What a model was asked for a case, for metrics that look at likelihoods."""

from __future__ import annotations

from postgrad.evaluation.metrics.support.metric import Case
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
