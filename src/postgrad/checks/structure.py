"""Records that cannot be learned from: nothing asked, nothing answered, or nobody who answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from postgrad.checks.wording import count_of, quote, verb
from postgrad.findings import Check, Context, Finding, Repair
from postgrad.records import Conversation, Record, Task, Text

_FAULTS = {
    "no_answer": "{count} {have} no assistant message, so there is no answer to learn.",
    "empty_answer": "{count} {have} an empty answer.",
    "empty_prompt": "{count} {have} an answer but no prompt.",
}


def structure() -> Check:
    """Finds records without an answer or without a prompt; they are dropped, because nothing could be learned from them.

    It is an error only if no usable record remains.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        faults = {index: fault for index, record in enumerate(records) if (fault := fault_of(record))}
        nothing_left = len(faults) == len(records)
        for name, sentence in _FAULTS.items():
            indices = tuple(index for index, fault in faults.items() if fault == name)
            if not indices:
                continue
            text = sentence.format(count=count_of(len(indices), "record"), have=verb(len(indices), "has", "have"))
            yield Finding(
                check="structure",
                severity="error" if nothing_left else "warning",
                sentence=f"{text} No usable record remains." if nothing_left else text,
                indices=indices,
                evidence=tuple(quote(records[i].prompt_text or records[i].answer_text) for i in indices),
                repairs=tuple(Repair(i, "drop") for i in indices),
                details={"fault": name, "count": len(indices)},
            )

    return check


def fault_of(record: Record) -> str:
    """The structural fault of one record, or the empty string. A call of a tool counts as an answer."""
    asked, answered = bool(record.prompt_text.strip()), bool(record.answer_text.strip())
    if isinstance(record, Text | Task):
        return "" if asked else "empty_prompt"
    if isinstance(record, Conversation):
        if record.answer is None:
            return "no_answer"
        answered = answered or bool(record.answer.tool_calls)
    if not answered:
        return "empty_answer"
    return "" if asked else "empty_prompt"
