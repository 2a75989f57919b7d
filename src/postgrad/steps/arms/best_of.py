"""Asking several times and letting the grader choose: what it is worth without any training, at its full price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postgrad.errors import PostgradError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.progress import Working
from postgrad.records import Conversation, Message, Record
from postgrad.steps.arms.making import Making

DRAWS = 8
"""Answers to each request."""
TRIED = 8
"""Records on which it is seen whether the grader reads more than request and answer."""
PROBES = ("yes", "no", '{"a": 1}', "1")
NEEDS_ANSWERS = "its grader reads the right answer, or fields of the task, which nobody has when the model is in use"


def best_of_n(making: Making) -> Working[Arm | str]:
    """The base model with the instruction, asked several times; the best answer by the grader counts."""
    yield from ()
    if not reads_answers_alone(making.task.choice, making.examples.known[:TRIED]):
        return NEEDS_ANSWERS
    arm = ways.prompted(making.task.instruction)
    note = f"{arm.note} {DRAWS} answers to each request are drawn; the grader takes the best. The price is that of all."
    return replace(arm, draws=DRAWS, note=note)


def reads_answers_alone(choice: MetricChoice, records: Sequence[Record]) -> bool:
    """Whether the primary metric gives some answers the same grades where the right ones and all fields are hidden."""
    hidden = [_bare(r) for r in records]
    try:
        for said in (*PROBES, *(r.answer_text for r in records[:2] if r.answer_text)):
            seen, unseen = (choice.measure([said] * len(some), some).scores for some in (records, hidden))
            if seen != unseen:
                return False
    except (PostgradError, ValueError, KeyError):
        return False
    return True


def _bare(record: Record) -> Record:
    """The request alone."""
    prompt = record.prompt if isinstance(record, Conversation) else (Message("user", record.prompt_text),)
    tools = record.tools if isinstance(record, Conversation) else ()
    return Conversation(messages=prompt, tools=tools, source=record.source)
