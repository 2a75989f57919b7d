"""The simplest rivals of all: always the commonest answer of the training part, and the right answer to another
request. An arm that does not beat them has learned nothing.

The first only where answers recur, the second only where likeness of text is measured; both only for metrics that look
at the answer alone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.arm_kinds import is_trivial, label
from postgrad.evaluation.metrics import ASKING, Case
from postgrad.evaluation.metrics.json_object import are_objects, parse_object
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.metrics.support.fields import reference_of
from postgrad.evaluation.metrics.support.normal import plain
from postgrad.evaluation.statistics.scores import compare, score_interval
from postgrad.measures import ArmResult, Score
from postgrad.records import Record

ALIKE = ("token_f1", "chrf", "bleu", "rouge_1", "rouge_2", "rouge_l", "embedding")
"""Metrics of likeness, which are above 0 for any two texts of one kind."""


@dataclass(frozen=True, slots=True)
class Constant:
    """What always saying `answer` scores on the test part.

    Attributes:
        answer: The commonest answer of the training part; for objects the commonest value of each key.
        score: On the test part.
        unbeaten: Arms that do not do better on the test examples.
        unclear: Arms that do better by no more than chance allows.
    """

    answer: str
    score: Score
    unbeaten: tuple[str, ...]
    unclear: tuple[str, ...]

    def sentence(self, metric: str) -> str:
        """What it scores, and who does not beat it."""
        shown = self.answer if len(self.answer) <= 60 else self.answer[:57] + "…"
        told = (
            f"Always answering {shown!r}, the commonest of training, scores {100 * self.score.value:.1f} % ({metric})"
        )
        ends = []
        if self.unbeaten:
            ends.append(f"{_listed(self.unbeaten)} {_verb(self.unbeaten, 'does', 'do')} not beat it")
        if self.unclear:
            ends.append(f"{_listed(self.unclear)} {_verb(self.unclear, 'is', 'are')} not clearly better")
        return "; ".join([told, *ends]) + "."


def constant_answer(choice: MetricChoice, train: Sequence[Record]) -> str | None:
    """The answer to give always; None where the task has none: free text, answers that never recur, a metric that
    asks."""
    if choice.kind not in ("classification", "extraction") or choice.primary.name in ASKING:
        return None
    answers = [text for r in train if (text := reference_of(r).strip())]
    if not answers:
        return None
    if are_objects(answers):
        return _commonest_object(answers)
    often, times = Counter(plain(a) for a in answers).most_common(1)[0]
    return next(a for a in answers if plain(a) == often) if times > 1 else None


def constant_baseline(
    choice: MetricChoice,
    answer: str,
    test: Sequence[Record],
    arms: Sequence[ArmResult],
    groups: Sequence[object] | None,
) -> Constant:
    """Its score, and which arms do not beat it on the examples that they answered."""
    scores = choice.primary.measure([Case(answer, reference_of(r), r) for r in test]).scores
    unbeaten, unclear = [], []
    for arm in (arm for arm in arms if not is_trivial(arm.name)):
        places = arm.places or range(len(test))
        members = None if groups is None else [groups[i] for i in places]
        found = compare(arm.scores, [scores[i] for i in places], members)
        if found.difference <= 0:
            unbeaten.append(arm.name)
        elif found.low <= 0:
            unclear.append(arm.name)
    return Constant(answer, score_interval(scores, groups), tuple(unbeaten), tuple(unclear))


def _commonest_object(answers: Sequence[str]) -> str:
    """Each key that most objects have, with its commonest value."""
    objects = [o for a in answers if (o := parse_object(a)) is not None]
    counts = Counter(key for o in objects for key in o)
    keys = [key for key, times in counts.items() if times > len(objects) / 2]
    values = {
        k: Counter(json.dumps(o[k], sort_keys=True) for o in objects if k in o).most_common(1)[0][0] for k in keys
    }
    return json.dumps({k: json.loads(v) for k, v in values.items()}, ensure_ascii=False)


def _listed(arms: Sequence[str]) -> str:
    names = [label(arm) for arm in arms]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _verb(names: Sequence[str], one: str, many: str) -> str:
    return one if len(names) == 1 else many


def strangers_score(choice: MetricChoice, test: Sequence[Record]) -> float:
    """What the right answers to other requests of the test part score, where likeness of text is measured: texts of one
    kind share words and letters whatever they say, and no arm should be praised for those. 0 for other metrics."""
    if choice.primary.name not in ALIKE or len(test) < 2:
        return 0.0
    answers = [reference_of(r) for r in test]
    shifts = {1, len(test) // 3, len(test) // 2} - {0}
    cases = [
        Case(answers[(i + shift) % len(test)], answers[i], r)
        for shift in sorted(shifts)
        for i, r in enumerate(test)
        if answers[(i + shift) % len(test)] != answers[i]
    ]
    scores = choice.primary.measure(cases).scores if cases else ()
    return sum(scores) / len(scores) if scores else 0.0
