"""The story of `postgrad compare` for two reports, paired example by example. Imports no torch."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from postgrad.decision.change import MARGIN, judge_change
from postgrad.errors import UsageError
from postgrad.evaluation.statistics.contrast import contrasts, parts_of
from postgrad.evaluation.statistics.scores import compare
from postgrad.pages.compare_page import write_compare
from postgrad.progress import Said, Stage, Working
from postgrad.report.comparison import CommonPart, CompareReport
from postgrad.steps.reporting.compare_parts import (
    common_arms,
    difference_part,
    examples,
    judged_alike,
    notes,
    paired,
    side_part,
)
from postgrad.steps.reporting.compared_runs import Side, apart, changes_between, is_report, read_side
from postgrad.version import __version__

SLICES_SHOWN = 12


def compare_runs(
    a: str, b: str, out: Path, *, arms: Sequence[str] = (), metric: str | None = None, margin: float = MARGIN
) -> Working[CompareReport]:
    """Two reports' folders; leaves `compare.json` and `compare.html` in `out`.

    Args:
        a: The baseline: a folder, or a file in it.
        b: The candidate.
        out: Folder.
        arms: The arm of A and that of B; one for both; none for those that the verdicts are about.
        metric: Judges both sides' answers anew.
        margin: The loss that is tolerated.

    Raises:
        DataError: nothing in common, or judged by different metrics.
    """
    yield Stage("compare", "Pairing the examples")
    if len(arms) > 2:
        raise UsageError(
            f"--arm names {len(arms)} arms.",
            "One for both reports, or that of A and that of B: --arm few_shot,fine_tuned",
        )
    first, second = (arms[0], arms[-1]) if arms else (None, None)
    left, right = apart(read_side(a, first), read_side(b, second))
    return (yield from compared(left, right, out, metric, margin))


def kind_of(a: str, b: str) -> str:
    """`runs` or `models`.

    Raises:
        UsageError: one of each.
    """
    kinds = {is_report(a), is_report(b)}
    if len(kinds) == 2:
        which = a if is_report(a) else b
        raise UsageError(
            f"{which!r} is a report's folder and the other is not.",
            "Compare two folders (with report.json and results.jsonl), or two models with --data FILE.",
        )
    return "runs" if kinds == {True} else "models"


def compared(left: Side, right: Side, out: Path, metric: str | None, margin: float) -> Working[CompareReport]:
    """Two sides that have been read; leaves `compare.json` and `compare.html` in `out`."""
    left, right, judged, rescored = judged_alike(left, right, metric)
    pair = paired(left, right)
    only_a, only_b = len(left.lines) - len(pair.hashes), len(right.lines) - len(pair.hashes)
    yield Said(
        f"{len(pair.hashes)} examples are common; {only_a} only in {left.name}, {only_b} only in {right.name}. Judged"
        f" by {judged}."
    )
    found = compare(pair.b, pair.a, pair.groups, arm=right.name, against=left.name)
    gains = [y - x for x, y in zip(pair.a, pair.b, strict=True)]
    worsened = sum(g < 0 for g in gains)
    change = judge_change(found, worsened, margin)
    records = [left.lines[h].record() for h in pair.hashes]
    parts = parts_of(records, pair.groups)
    differing = contrasts(pair.a, pair.b, parts, pair.groups)[:SLICES_SHOWN]
    report = CompareReport(
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        postgrad_version=__version__,
        a=side_part(left, pair.a, pair.groups),
        b=side_part(right, pair.b, pair.groups),
        metric=judged,
        rescored=rescored,
        common=CommonPart(
            n=len(gains),
            only_a=only_a,
            only_b=only_b,
            better=sum(g > 0 for g in gains),
            worse=worsened,
            same=sum(g == 0 for g in gains),
        ),
        difference=found.difference,
        interval=(found.low, found.high),
        p_value=found.p_value,
        margin=margin,
        verdict=change.verdict,
        passed=change.passed,
        sentence=change.sentence,
        examples_needed=change.examples_needed,
        arms=common_arms(left, right, pair),
        slices=[difference_part(c, pair, parts) for c in differing],
        improved=examples(left, right, pair, gains, 1),
        worsened=examples(left, right, pair, gains, -1),
        changes=changes_between(left.origin, right.origin),
        notes=notes(left, right),
    )
    write_compare(report, out)
    yield Said(report.sentence)
    return report
