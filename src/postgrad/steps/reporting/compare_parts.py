"""The pieces of a comparison: sides judged alike, paired examples, and the tables made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from postgrad.errors import DataError
from postgrad.evaluation.metrics.support.choose import choose_metric
from postgrad.evaluation.statistics.scores import compare, score_interval
from postgrad.evaluation.statistics.significance import holm
from postgrad.measures import Comparison
from postgrad.report.comparison import DifferencePart, ExamplePart, SidePart
from postgrad.steps.reporting.compared_runs import Side

EXAMPLES = 10
"""So many examples are shown in each direction; all of them are in the two results.jsonl."""


@dataclass(frozen=True)
class PairedScores:
    """The common examples: their hashes in A's order, and the scores of both sides."""

    hashes: tuple[str, ...]
    a: tuple[float, ...]
    b: tuple[float, ...]
    groups: tuple[str | None, ...] | None


def judged_alike(left: Side, right: Side, metric: str | None) -> tuple[Side, Side, str, bool]:
    """Both sides with scores of one metric.

    Raises:
        DataError: they were judged by different metrics, and none was named to judge both.
    """
    if metric is not None:
        return _rescored(left, metric), _rescored(right, metric), metric, True
    first, second = (
        str(s.report.recipe.get("evaluation", {}).get("metric") or s.report.task.metric) for s in (left, right)
    )
    if first != second:
        raise DataError(
            f"{left.name} is judged by {first} and {right.name} by {second}: they cannot be compared.",
            f"Judge both sets of answers by one metric: --metric {first}",
        )
    return left, right, left.report.task.metric, False


def _rescored(side: Side, metric: str) -> Side:
    """The side with every arm's answers judged anew."""
    hashes = list(side.lines)
    records = [side.lines[h].record() for h in hashes]
    choice = choose_metric(records, metric)
    lines = dict(side.lines)
    for arm in dict.fromkeys(name for line in side.lines.values() for name in line.arms):
        own = [(h, r) for h, r in zip(hashes, records, strict=True) if arm in side.lines[h].arms]
        scores = choice.measure([side.answer(h, arm).answer for h, _ in own], [r for _, r in own]).scores
        for (h, _), score in zip(own, scores, strict=True):
            answer = lines[h].arms[arm].model_copy(update={"score": score})
            lines[h] = lines[h].model_copy(update={"arms": {**lines[h].arms, arm: answer}})
    return replace(side, lines=lines)


def paired(left: Side, right: Side) -> PairedScores:
    """The examples that both sides answered.

    Raises:
        DataError: there are none.
    """
    hashes = tuple(h for h in left.lines if h in right.lines)
    if not hashes:
        raise DataError(
            f"{left.name} ({len(left.lines)} examples) and {right.name} ({len(right.lines)} examples) have no example"
            f" in common, so nothing can be paired (both are judged by {left.report.task.metric}).",
            "Measure both on the same examples: `postgrad compare MODEL_A MODEL_B --data FILE`, or run both with the"
            " same --test FILE.",
        )
    return PairedScores(
        hashes,
        tuple(left.answer(h).score for h in hashes),
        tuple(right.answer(h).score for h in hashes),
        _groups(left, hashes) or _groups(right, hashes),
    )


def _groups(side: Side, hashes: Sequence[str]) -> tuple[str | None, ...] | None:
    """What the examples belong to, as a side's report says; None where it knows of no groups."""
    groups = tuple(side.lines[h].group for h in hashes)
    return groups if any(g is not None for g in groups) else None


def side_part(side: Side, scores: Sequence[float], groups: Sequence[str | None] | None) -> SidePart:
    """A side as the report keeps it."""
    score, arm = score_interval(scores, groups), side.arm
    own = [side.answer(h).score for h in side.lines]
    return SidePart(
        name=side.name,
        folder=str(side.folder),
        arm=arm.name,
        model=arm.model,
        score=score.value,
        interval=(score.low, score.high),
        own_score=sum(own) / len(own),
        own_n=len(own),
        created=side.report.created,
        cost_per_1000=arm.cost_per_1000,
        latency_ms_p50=arm.latency_ms_p50 or None,
        prompt_tokens_mean=arm.prompt_tokens_mean,
        completion_tokens_mean=arm.completion_tokens_mean,
    )


def common_arms(left: Side, right: Side, pair: PairedScores) -> list[DifferencePart]:
    """Every arm that both have on all common examples, Holm-corrected over these arms."""
    if left.folder == right.folder:
        return []
    names = [a.name for a in left.report.arms if a.name in {b.name for b in right.report.arms}]
    everywhere = {
        n: list(range(len(pair.hashes)))
        for n in names
        if all(n in left.lines[h].arms and n in right.lines[h].arms for h in pair.hashes)
    }
    out: list[Comparison] = []
    for name in everywhere:
        scores = [[side.answer(h, name).score for h in pair.hashes] for side in (right, left)]
        out.append(compare(scores[0], scores[1], pair.groups, arm=name, against=name))
    corrected = _holm(out)
    return [
        DifferencePart(
            name=c.arm,
            n=c.n,
            a=_mean(left, pair, c.arm),
            b=_mean(right, pair, c.arm),
            difference=c.difference,
            interval=(c.low, c.high),
            p_value=c.p_value,
            p_adjusted=c.p_adjusted,
        )
        for c in corrected
    ]


def _holm(found: Sequence[Comparison]) -> list[Comparison]:
    return [replace(c, p_adjusted=p) for c, p in zip(found, holm([c.p_value for c in found]), strict=True)]


def _mean(side: Side, pair: PairedScores, arm: str) -> float:
    return sum(side.answer(h, arm).score for h in pair.hashes) / len(pair.hashes)


def difference_part(c: Comparison, pair: PairedScores, parts: dict[str, list[int]]) -> DifferencePart:
    """A part of the test set as the report keeps it."""
    places = parts[c.arm]
    return DifferencePart(
        name=c.arm,
        n=c.n,
        a=sum(pair.a[i] for i in places) / c.n,
        b=sum(pair.b[i] for i in places) / c.n,
        difference=c.difference,
        interval=(c.low, c.high),
        p_value=c.p_value,
        p_adjusted=c.p_adjusted,
    )


def examples(left: Side, right: Side, pair: PairedScores, gains: Sequence[float], sign: int) -> list[ExamplePart]:
    """The largest differences in one direction, in the order of the test among equal ones."""
    places = sorted((i for i, g in enumerate(gains) if sign * g > 0), key=lambda i: (-abs(gains[i]), i))[:EXAMPLES]
    out: list[ExamplePart] = []
    for hash in (pair.hashes[i] for i in places):
        line, x, y = left.lines[hash], left.answer(hash), right.answer(hash)
        out.append(
            ExamplePart(
                hash=hash,
                file=line.file,
                line=line.line,
                prompt=line.prompt_text,
                reference=line.reference,
                a_answer=x.answer,
                b_answer=y.answer,
                a_score=x.score,
                b_score=y.score,
            )
        )
    return out


def notes(left: Side, right: Side) -> list[str]:
    """What a reader must know besides."""
    out: list[str] = []
    common = [h for h in left.lines if h in right.lines]
    knew = Counter(name for h in common for name in {*left.lines[h].trained_on, *right.lines[h].trained_on})
    out += [
        f"{count} of the {len(common)} common examples are, or nearly are, in the training data of {name}."
        for name, count in sorted(knew.items())
    ]
    out += [
        f"{side.name} was made by a version that stored no settings; they cannot be compared."
        for side in (left, right)
        if not side.report.recipe
    ]
    return list(dict.fromkeys(out))
