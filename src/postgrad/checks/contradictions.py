"""One request, two answers: whichever the model learns, the other counts as wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from postgrad.answers import AnswerKind, answer_kind, parse_json
from postgrad.checks.wording import count_of, place, quote, verb
from postgrad.findings import Check, Context, Finding
from postgrad.records import Record
from postgrad.similarity import exact_key, find_similar

_FIELDS_SHOWN = 3


def contradictions(*, near_threshold: float = 0.85) -> Check:
    """Finds equal prompts with different answers, and nearly equal prompts with different labels.

    Nothing is repaired, because only a person knows which answer is right. Free-text answers to nearly equal prompts may
    rightly differ and are not compared; JSON answers to nearly equal prompts are only mentioned.

    Args:
        near_threshold: From which similarity two prompts ought to have the same answer.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        kind = answer_kind([r.answer_text for r in records])
        answered = [i for i, r in enumerate(records) if r.answer_text.strip() and r.prompt_text.strip()]
        prompts = {i: exact_key(records[i].prompt_text) for i in answered}
        values = {i: _value(records[i].answer_text, kind) for i in answered}
        yield from _exact(records, prompts, values, kind)
        if kind != "text":
            yield from _near(records, prompts, values, kind, near_threshold)

    return check


def _value(answer: str, kind: AnswerKind) -> str:
    """What must be equal for two answers to agree; JSON regardless of spelling and order of keys."""
    parsed = parse_json(answer) if kind == "json" else None
    return _sorted(parsed) if parsed is not None else exact_key(answer)


def _sorted(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{_sorted(v)}" for k, v in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_sorted, value)) + "]"
    return repr(value)


def _exact(
    records: Sequence[Record], prompts: dict[int, str], values: dict[int, str], kind: AnswerKind
) -> Iterator[Finding]:
    groups: dict[str, list[int]] = {}
    for index, prompt in prompts.items():
        groups.setdefault(prompt, []).append(index)
    conflicting = [g for g in groups.values() if len({values[i] for i in g}) > 1]
    if not conflicting:
        return
    conflicting.sort(key=lambda group: -len({values[i] for i in group}))
    indices, evidence = [], []
    for group in conflicting:
        for index in group:
            other = next(i for i in group if values[i] != values[index])
            indices.append(index)
            evidence.append(_both(records, index, other))
    size = len(conflicting)
    advice = " That is fine where several answers are right." if kind == "text" else ""
    yield Finding(
        check="contradictions",
        severity="warning",
        sentence=f"{count_of(size, 'prompt')} {verb(size, 'has', 'have')} different answers in {len(indices):,} records."
        + advice,
        indices=tuple(indices),
        evidence=tuple(evidence),
        details={"fault": "same_prompt", "prompts": size, "records": len(indices)},
    )


def _near(
    records: Sequence[Record], prompts: dict[int, str], values: dict[int, str], kind: AnswerKind, threshold: float
) -> Iterator[Finding]:
    found: list[tuple[int, int, float]] = []
    for first, second, score in find_similar([r.prompt_text for r in records]).above(threshold).pairs:
        if (
            first in prompts
            and second in prompts
            and prompts[first] != prompts[second]
            and values[first] != values[second]
        ):
            found.append((first, second, score))
    if not found:
        return
    found.sort(key=lambda pair: (-pair[2], pair[0]))
    paired: dict[int, int] = {}
    for first, second, _ in found:
        paired.setdefault(first, second)
        paired.setdefault(second, first)
    size = len(found)
    yield Finding(
        check="contradictions",
        severity="warning" if kind == "label" else "info",
        sentence=f"{count_of(size, 'pair')} of nearly equal prompts {verb(size, 'has', 'have')} different answers.",
        indices=tuple(paired),
        evidence=tuple(_both(records, index, other) for index, other in paired.items()),
        details={"fault": "near_prompt", "pairs": size, "threshold": threshold},
    )


def _both(records: Sequence[Record], index: int, other: int) -> str:
    """The prompt with both answers; of JSON objects only the fields that differ."""
    here, there = records[index], records[other]
    mine, theirs = parse_json(here.answer_text), parse_json(there.answer_text)
    if isinstance(mine, dict) and isinstance(theirs, dict):
        keys = [key for key in dict.fromkeys((*mine, *theirs)) if mine.get(key) != theirs.get(key)][:_FIELDS_SHOWN]
        left, right = (", ".join(f"{key} {_short(value.get(key))}" for key in keys) for value in (mine, theirs))
    else:
        left, right = quote(here.answer_text, 50), quote(there.answer_text, 50)
    return f"{quote(here.prompt_text, 50)} → {left}, but {place(there.source)} → {right}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"
