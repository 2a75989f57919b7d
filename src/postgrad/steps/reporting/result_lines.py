"""The answers of a job example by example, for `results.jsonl`, and the trace of what a model was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from postgrad.blobs import Blobs
from postgrad.evaluation.arms import own_prompt, without_system
from postgrad.evaluation.statistics.scores import Groups
from postgrad.measures import ArmResult
from postgrad.records import Conversation, Record, content_hash, tools_of, turns_of
from postgrad.report.results import ArmAnswer, ResultLine
from postgrad.similarity.training_traces import trace_of


def result_lines(
    test: Sequence[Record],
    results: Sequence[ArmResult],
    groups: Groups = None,
    trained_on: Mapping[int, Sequence[str]] | None = None,
) -> Iterator[ResultLine]:
    """One line a test example.

    Args:
        test: The test part, in the order of the arms' answers.
        results: The arms.
        groups: What each record belongs to.
        trained_on: By place the models that had this example in their training data.
    """
    for place, record in enumerate(test):
        answer = record.answer if isinstance(record, Conversation) else None
        group = groups[place] if groups else None
        yield ResultLine(
            hash=asked_hash(record),
            file=record.source.file,
            line=record.source.line,
            prompt=[m.to_dict() for m in own_prompt(record)],
            reference=record.answer_text,
            reference_calls=[dict(call) for call in answer.tool_calls] if answer else [],
            tools=[dict(tool) for tool in tools_of(record)],
            group=None if group is None else str(group),
            arms={r.name: found for r in results if (found := _answer(r, place)) is not None},
            trained_on=list((trained_on or {}).get(place, ())),
        )


def asked_hash(record: Record) -> str:
    """The content hash without instructions: the same request is the same example under another system prompt."""
    if isinstance(record, Conversation):
        record = replace(record, messages=without_system(record.messages))
    return content_hash(record)


def keep_trace(blobs: Blobs, records: Sequence[Record]) -> str:
    """Stores the trace of what is trained on, turn by turn; returns its digest for the registry."""
    return blobs.put_bytes(trace_of([turn.prompt_text for r in records for turn in turns_of(r)]).to_bytes())


def _answer(result: ArmResult, place: int) -> ArmAnswer | None:
    """What an arm answered to one example; None where it was stopped before that one."""
    if result.places:
        if place not in result.places:
            return None
        place = result.places.index(place)
    return ArmAnswer(
        answer=result.answers[place],
        score=result.scores[place],
        confidence=result.confidences[place] if result.confidences else None,
        finish=result.finishes[place] if result.finishes else None,
    )
