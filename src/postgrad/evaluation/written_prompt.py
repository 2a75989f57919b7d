"""A system prompt written from the training data by rule: what a careful person would write after reading the examples.

Reads training records alone. Labels are listed, the keys of objects are listed with their values or kinds, facts are
asked for in few words, and texts get their usual length.
"""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from postgrad.answers import parse_json
from postgrad.evaluation.metrics.support.fields import calls_of
from postgrad.json_types import JsonObject
from postgrad.records import Record

_LISTED = 12  # a field with at most so many values is described by listing them
_LABELS = 100


def write_system_prompt(records: Sequence[Record], kind: str, task: str = "") -> str:
    """The instruction for a task.

    Args:
        records: Training records with answers.
        kind: `classification`, `extraction` or `generation`, as chosen with the metric.
        task: What is to be done, in a sentence, which goes before the form of the answers; empty where nobody said.
    """
    form = _form(records, kind, bool(task))
    return f"{task.strip()} {form}" if task.strip() else form


def _form(records: Sequence[Record], kind: str, told: bool) -> str:
    """What answers look like."""
    calling = sum(bool(calls_of(r)) for r in records)
    if calling > len(records) / 2:
        return _calls(calling == len(records))
    answers = [r.answer_text for r in records if r.answer_text.strip()]
    if kind == "classification":
        return _labels(answers)
    objects = [o for a in answers if isinstance(o := parse_json(a), dict)]
    if kind == "extraction" and objects:
        return _object(objects)
    words = [len(a.split()) for a in answers]
    if not words:
        return "" if told else "Answer the request."
    middle = int(statistics.median(words))
    if middle <= 6 and not told:
        return "Answer the question with the fact alone, in a few words. Do not write a sentence and do not explain."
    return _text(answers, middle)


def _calls(always: bool) -> str:
    otherwise = "" if always else " Where no function fits, answer in plain words."
    return (
        "Answer by calling the functions that the request needs, with the arguments that it gives, and nothing"
        f" else.{otherwise}"
    )


def _labels(answers: Sequence[str]) -> str:
    labels = [label for label, _ in Counter(a.strip() for a in answers).most_common(_LABELS)]
    return "Classify the message. Answer with exactly one of these labels and nothing else:\n" + "\n".join(
        f"- {label}" for label in sorted(labels)
    )


def _object(objects: Sequence[JsonObject]) -> str:
    keys = Counter(key for o in objects for key in o)
    lines = [_field(key, [o[key] for o in objects if key in o], keys[key] < len(objects)) for key in keys]
    return "Read the message and answer with one JSON object and nothing else. Its keys:\n" + "\n".join(lines)


def _field(key: str, values: Sequence[Any], optional: bool) -> str:
    plain = [v for v in values if v is not None]
    nullable = " or null" if len(plain) < len(values) else ""
    left_out = " (left out where it does not apply)" if optional else ""
    distinct = Counter(json.dumps(v, ensure_ascii=False) for v in plain)
    if plain and all(isinstance(v, str | bool | int | float) for v in plain) and len(distinct) <= _LISTED:
        return f'- "{key}": one of {", ".join(sorted(distinct))}{nullable}{left_out}'
    example = distinct.most_common(1)[0][0] if distinct else "null"
    return f'- "{key}": for example {example[:160]}{nullable}{left_out}'


def _text(answers: Sequence[str], middle: int) -> str:
    lines = statistics.median([a.count("\n") + 1 for a in answers])
    starts = Counter(a.split()[0] for a in answers if a.split())
    first, often = starts.most_common(1)[0]
    parts = [f"Answer in about {middle} words"]
    parts.append("on a single line" if lines == 1 else f"in about {int(lines)} lines")
    text = ", ".join(parts) + ", in the style of the examples: no greeting, no explanation, only the answer itself."
    if often > 0.5 * len(answers):
        text += f" Answers usually begin with {first!r}."
    return text
