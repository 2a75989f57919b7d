"""Answers that depend on who a person is: equal requests about different people, answered differently."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from postgrad.answers import answer_kind, label_counts
from postgrad.checks.support.conflict import GRAVE, conflict
from postgrad.checks.support.embedding_space import vectors
from postgrad.checks.support.evidence import reasons
from postgrad.checks.support.phrases import count_of, place, quote, verb
from postgrad.checks.support.words.people import groups_in, without_groups
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.records import Record, Text
from postgrad.similarity.classifier import out_of_fold
from postgrad.similarity.near_duplicates import exact_key


@check_factory(
    harm=66,
    advice="Decide whether the person may matter here; otherwise give the same answer for all.",
)
def bias(*, least: int = 25, from_points: float = 0.1, p_below: float = 0.01) -> Check:
    """Finds answers that change with a person's gender, origin, religion or age, as names and words say it.

    First pairs of requests that are equal but for such words, and whose answers conflict. Then, where answers are
    labels, whether one group gets a label more often than the text without such words explains: classifiers that never
    saw a record predict its label from that text, and what they leave unexplained is compared between the groups.
    Nothing is repaired.

    Args:
        least: Records that a group must have to be compared.
        from_points: Least difference of a label's share, from 0 to 1.
        p_below: Chance of such a difference, were there none, after Holm's correction over everything compared.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        named = {
            i: groups
            for i, r in enumerate(records)
            if not isinstance(r, Text) and r.answer_text.strip() and (groups := groups_in(r.prompt_text))
        }
        if not named:
            return
        kind = answer_kind([r.answer_text for r in records])
        yield from _pairs(records, named, kind == "text")
        if kind == "label":
            yield from _shares(records, named, least, from_points, p_below)

    return check


def _pairs(records: Sequence[Record], named: dict[int, dict[str, str]], free: bool) -> Iterator[Finding]:
    """Requests that are equal without the words for people."""
    alike: dict[str, list[int]] = {}
    for i in named:
        alike.setdefault(exact_key(without_groups(records[i].prompt_text)), []).append(i)
    found: dict[int, int] = {}
    said: dict[int, str] = {}
    for members in alike.values():
        for first, second in combinations(members[:20], 2):
            attribute = _differing(named[first], named[second])
            answers = [without_groups(records[i].answer_text) for i in (first, second)]
            if not attribute or exact_key(answers[0]) == exact_key(answers[1]):
                continue
            if free and conflict(*answers) <= GRAVE:
                continue
            for one, other in ((first, second), (second, first)):
                found.setdefault(one, other)
                said.setdefault(one, attribute)
    if not found:
        return
    indices = tuple(found)
    counts = Counter(said.values())
    yield Finding(
        check="bias",
        severity="warning",
        sentence=(
            f"{count_of(len(found), 'record')} {verb(len(found), 'is', 'are')} answered otherwise than an equal request"
            f" about another person ({', '.join(f'{a}: {n}' for a, n in counts.most_common())})."
        ),
        indices=indices,
        evidence=reasons(
            indices,
            lambda i: (
                f"{quote(records[i].prompt_text, 50)} → {quote(records[i].answer_text, 40)}, but "
                f"{place(records[found[i]].source)}: {quote(records[found[i]].prompt_text, 50)} → "
                f"{quote(records[found[i]].answer_text, 40)}"
            ),
        ),
        details={"fault": "pairs", "count": len(found), "attributes": dict(counts)},
    )


def _differing(first: dict[str, str], second: dict[str, str]) -> str:
    """The attribute by which two requests differ; empty where they do not."""
    return next((a for a in first if a in second and first[a] != second[a]), "")


def _shares(
    records: Sequence[Record], named: dict[int, dict[str, str]], least: int, from_points: float, p_below: float
) -> Iterator[Finding]:
    """Labels that a group gets more often than its texts explain."""
    answers = [r.answer_text.strip() for r in records]
    counts = label_counts(answers)
    chosen = [i for i, a in enumerate(answers) if counts is not None and counts.get(a, 0) >= least]
    if counts is None or len({answers[i] for i in chosen}) < 2:
        return
    names = sorted({answers[i] for i in chosen})
    labels = np.array([names.index(answers[i]) for i in chosen])
    points = vectors([without_groups(records[i].prompt_text) for i in chosen])
    unexplained = np.eye(len(names))[labels] - out_of_fold(points, labels, len(names))
    compared = list(_comparisons(chosen, named, unexplained, names, answers, least))
    compared.sort(key=lambda c: c[0])
    told: set[str] = set()
    for rank, (p_value, attribute, group, label, points_more, members) in enumerate(compared):
        if p_value * (len(compared) - rank) >= p_below:
            return
        if points_more < from_points or attribute in told:
            continue
        told.add(attribute)  # what one group gets more often the others get less often
        concerned = tuple(i for i in members if answers[i] == label)
        yield Finding(
            check="bias",
            severity="warning",
            sentence=(
                f"{label!r} is the answer {100 * points_more:.0f} points more often where a request names a person as "
                f"{group.replace('_', ' ')} ({attribute}) than the rest of its text explains."
            ),
            indices=concerned,
            evidence=reasons(
                concerned, lambda i: f"{quote(records[i].prompt_text)} → {quote(records[i].answer_text, 40)}"
            ),
            details={
                "fault": "shares",
                "attribute": attribute,
                "group": group,
                "label": label,
                "points": round(points_more, 4),
                "p_value": p_value * (len(compared) - rank),
            },
            likely=min(1.0, points_more),
        )


def _comparisons(
    chosen: Sequence[int],
    named: dict[int, dict[str, str]],
    unexplained: np.ndarray,
    names: Sequence[str],
    answers: Sequence[str],
    least: int,
) -> Iterator[tuple[float, str, str, str, float, list[int]]]:
    """(p, attribute, group, label, points more than the other groups of the attribute get, records of the group)."""
    from scipy.stats import ttest_ind

    attributes = sorted({a for groups in named.values() for a in groups})
    for attribute in attributes:
        of = {at: named[i][attribute] for at, i in enumerate(chosen) if attribute in named.get(i, {})}
        groups = [g for g, n in Counter(of.values()).items() if n >= least]
        for group in groups if len(groups) > 1 else ():
            inside = [at for at, g in of.items() if g == group]
            outside = [at for at, g in of.items() if g != group and g in groups]
            for column, label in enumerate(names):
                left, right = unexplained[inside, column], unexplained[outside, column]
                if not left.std() and not right.std():
                    continue
                test: Any = ttest_ind(left, right, equal_var=False, alternative="greater")
                more = float(left.mean() - right.mean())
                yield float(test.pvalue), attribute, group, label, more, [chosen[at] for at in inside]
