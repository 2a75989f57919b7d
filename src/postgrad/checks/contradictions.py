"""One request, two answers: whichever the model learns, the other counts as wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise

from postgrad.answers import AnswerKind, answer_kind, parse_json
from postgrad.checks.support.conflict import GRAVE, conflict
from postgrad.checks.support.moments import AT_ONCE, moment_of, time_column
from postgrad.checks.support.phrases import count_of, place, quote, verb
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.models.embeddings import embed
from postgrad.records import Record, tools_of
from postgrad.similarity.near_duplicates import exact_key, exact_keys, find_similar
from postgrad.similarity.templates import template_pairs

_FIELDS_SHOWN = 3
_COMPARED = 6
_LONG_FROM = 30
_SAME_MEANING = 0.6
"""Cosine from which two answers without a common word count as the same in other words."""


@check_factory(
    harm=80,
    advice="Decide which answer is right and correct the others: the model can learn only one.",
)
def contradictions(*, near_threshold: float = 0.85) -> Check:
    """Finds equal requests with different answers, and nearly equal requests with conflicting ones; the worst
    first.

    Nothing is repaired, because only a person knows which answer is right. Free-text answers may differ and agree, so
    their conflict is measured: other numbers, yes against no, a denial on one side only, or hardly a word in common.
    Where records carry a time, different answers within a week are named first: neither of them is merely older.
    Without any such conflict the finding is only mentioned; and of nearly equal requests with free-text answers only
    those with other numbers, yes against no or a denial are. Prompts that differ in a number or a name are different
    questions.

    Args:
        near_threshold: From which similarity two prompts ought to have the same answer.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        kind = answer_kind([r.answer_text for r in records])
        keys = exact_keys([r.prompt_text for r in records])
        answered = [i for i, r in enumerate(records) if r.answer_text.strip() and keys[i]]
        prompts = {i: f"{_setting(records[i])}{keys[i]}" for i in answered}
        values = {i: _value(records[i].answer_text, kind) for i in answered}
        yield from _exact(records, prompts, values, kind)
        yield from _near(records, prompts, values, kind, near_threshold)

    return check


def _setting(record: Record) -> str:
    """What else a request consists of: an instruction, an image, tools. Two requests are equal only if these are."""
    asked = getattr(record, "prompt", ())
    seen = [m.content for m in asked if m.role == "system"] + [repr(m.parts) for m in asked if m.parts]
    seen += sorted(_sorted(tool) for tool in tools_of(record))
    return "\n".join([*seen, ""]) if seen else ""


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
    graded = {tuple(group): _gravest(records, group, values, kind) for group in conflicting}
    apart = {tuple(group): _apart(records, group, values) for group in conflicting}
    conflicting.sort(
        key=lambda g: (-graded[tuple(g)][2], apart[tuple(g)] >= AT_ONCE, -len({values[i] for i in g}), g[0])
    )
    indices, evidence = [], []
    for group in conflicting:
        left, right, _ = graded[tuple(group)]
        for index in (left, right, *(i for i in group if i not in (left, right))):
            other = right if index == left else left
            other = other if values[other] != values[index] else next(i for i in group if values[i] != values[index])
            indices.append(index)
            days = f" ({_days(apart[tuple(group)])})" if apart[tuple(group)] < AT_ONCE else ""
            evidence.append(f"{_both(records, index, other)}{days}")
    near = sum(seconds < AT_ONCE for seconds in apart.values())
    grave = sum(grade >= GRAVE for _, _, grade in graded.values())
    size = len(conflicting)
    advice = (
        f" {grave:,} of them {verb(grave, 'conflicts', 'conflict')}; the others may be several right answers."
        if kind == "text"
        else ""
    )
    yield Finding(
        check="contradictions",
        severity="warning" if grave else "info",
        sentence=(
            f"{count_of(size, 'request')} {verb(size, 'has', 'have')} different answers in {len(indices):,} records."
        )
        + advice
        + (f" {near:,} of them were answered otherwise within a week: neither answer is merely older." if near else ""),
        indices=tuple(indices),
        evidence=tuple(evidence),
        details={
            "fault": "same_prompt",
            "prompts": size,
            "records": len(indices),
            "conflicting": grave,
            "within_a_week": near,
        },
        likely=grave / size,
    )


def _apart(records: Sequence[Record], group: Sequence[int], values: dict[int, str]) -> float:
    """Seconds between the two records of a group that answer differently and lie nearest in time; ∞ without dates."""
    key = time_column([records[i] for i in group])
    if key is None:
        return math.inf
    dated = sorted((when, i) for i in group if (when := moment_of(records[i].meta.get(key))) is not None)
    return min((b[0] - a[0] for a, b in pairwise(dated) if values[a[1]] != values[b[1]]), default=math.inf)


def _days(seconds: float) -> str:
    days = round(seconds / 86_400)
    return "on the same day" if days < 1 else f"{count_of(days, 'day')} apart"


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
            and _setting(records[first]) == _setting(records[second])
        ):
            found.append((first, second, score))
    templates = template_pairs([r.prompt_text for r in records], found)
    found = [p for p in found if p[:2] not in templates and _one_question(records[p[0]], records[p[1]])]
    if kind == "text":
        found = [p for p in found if conflict(records[p[0]].answer_text, records[p[1]].answer_text) > GRAVE]
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
        sentence=f"{count_of(size, 'pair')} of nearly equal requests {verb(size, 'has', 'have')} different answers.",
        indices=tuple(paired),
        evidence=tuple(_both(records, index, other) for index, other in paired.items()),
        details={"fault": "near_prompt", "pairs": size, "threshold": threshold},
    )


def _gravest(
    records: Sequence[Record], group: Sequence[int], values: dict[int, str], kind: AnswerKind
) -> tuple[int, int, float]:
    """The two records of a group whose answers conflict most; of a large group only the first few answers are
    compared."""
    firsts = list({values[i]: i for i in reversed(group)}.values())[::-1][:_COMPARED]
    return max(
        (
            (a, b, _conflict(records[a].answer_text, records[b].answer_text) if kind == "text" else 1.0)
            for a, b in combinations(firsts, 2)
        ),
        key=lambda found: found[2],
    )


def _conflict(first: str, second: str) -> float:
    """`conflict`, but other words for the same thing are none."""
    found = conflict(first, second)
    if found != GRAVE:
        return found
    left, right = embed([first, second])
    return GRAVE if float(left @ right) < _SAME_MEANING else GRAVE * 0.9


def _one_question(first: Record, second: Record) -> bool:
    """Of long prompts (a passage with a question) each must have no content word of its own: the passage hides the
    question."""
    left, right = (set(re.findall(r"\w{4,}", r.prompt_text.lower())) for r in (first, second))
    return min(len(left), len(right)) < _LONG_FROM or not (left - right and right - left)


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
