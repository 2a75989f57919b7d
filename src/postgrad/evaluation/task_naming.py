"""Whether the instruction of the prompted arms says what to do, and a sentence for it by a model that is asked.

An instruction that is written by rule names labels, keys and lengths. Of free text it can say how an answer looks and
not what it is: no model of any size translates on being told "answer in about 16 words".
"""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.metrics.support.fields import calls_of, is_question
from postgrad.evaluation.metrics.support.metric import AskModel
from postgrad.records import Conversation, Record, Task

SHOWN = 6
"""Examples that a model sees which is to name the task."""
LETTERS = 600
"""Of each request and answer."""
_BY_METRIC = {
    "sql_match": "Write the SQL query that answers the request.",
    "sql_execution": "Write the SQL query that answers the request.",
    "code_tests": "Write the Python program that the request describes.",
    "bits_saved": "Go on with the text from where it breaks off, in the same voice and manner.",
    "numeric": "Solve the problem and end with its result as a number.",
}
_ASK = (
    "Below are requests and the answers that were given to them. All are of one task. Say what the task is, as an"
    " instruction of one sentence to somebody who is to answer the next request and has not seen these, for example"
    ' "Translate the text into German." or "Summarise the report in one sentence for a manager." Answer with that'
    " sentence and nothing else.\n\n{}"
)


def task_by_metric(choice: MetricChoice) -> str:
    """What is to be done, where the kind of answer says it: queries, programs, results; else empty."""
    return _BY_METRIC.get(choice.primary.name, "")


def says_itself(records: Sequence[Record], choice: MetricChoice) -> bool:
    """Whether a model can know what to do without being told more than the rule can write: there are labels, keys or
    functions to list, the records bring instructions of their own, or the requests are questions."""
    if choice.kind == "classification" or choice.form.schema or task_by_metric(choice):
        return True
    instructed = sum(_brings_instruction(r) for r in records)
    asking = sum(is_question(r.prompt_text) for r in records)
    calling = sum(bool(calls_of(r)) for r in records)
    return max(instructed, asking, calling) > len(records) / 2


def _brings_instruction(record: Record) -> bool:
    return isinstance(record, Conversation | Task) and any(m.role == "system" for m in record.prompt)


def written_by(ask: AskModel, records: Sequence[Record]) -> str:
    """The task in a sentence, by a model that is shown a few examples; empty where it gives none.

    Args:
        ask: Asks the model.
        records: Of the training part.
    """
    shown = sorted(records, key=lambda r: len(r.prompt_text) + len(r.answer_text))[: 4 * SHOWN][::4]
    examples = "\n\n".join(f"Request: {r.prompt_text[:LETTERS]}\nAnswer: {r.answer_text[:LETTERS]}" for r in shown)
    said = ask([[{"role": "user", "content": _ASK.format(examples)}]])[0].strip()
    sentence = said.splitlines()[0].strip().strip('"“”') if said else ""
    return sentence if 3 <= len(sentence.split()) <= 60 else ""
