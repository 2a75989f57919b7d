"""What `postgrad evaluate` measured, and the report made of it."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from postgrad.arm_kinds import is_remote
from postgrad.decision.contest import contest
from postgrad.decision.resolution import assumed_resolution
from postgrad.evaluation.battery.judging import judge
from postgrad.evaluation.slices import worst_slices
from postgrad.evaluation.statistics.scores import compare_arms
from postgrad.measures import ArmResult
from postgrad.recipe import Recipe
from postgrad.records import Record
from postgrad.report.arm_parts import ArmPart
from postgrad.report.made_from import comparison_part
from postgrad.report.money_parts import CostPart
from postgrad.report.run_report import BenchmarkPart, ForgettingPart, Report, SlicePart, TaskPart, VerdictPart
from postgrad.steps.arms.named_models import Contestant
from postgrad.steps.conclude import data_part, units_remark
from postgrad.steps.context import RunContext
from postgrad.steps.examination.forgetting import General, benchmark_part
from postgrad.steps.examination.train_test_overlap import Overlaps, unseen_sentence
from postgrad.steps.examples import DataSummary, Examples, TaskSpec
from postgrad.steps.reporting.answer_parts import sample_parts, slice_part
from postgrad.steps.reporting.money import arm_costs, budget_of, costs_of, per_1000
from postgrad.version import __version__


@dataclass
class Measurements:
    """What has been measured so far, by name of the arm.

    Attributes:
        asked: Whom to measure, in the order of the report.
        general: By name of the base or the arm; None where general ability is not measured.
        room: Tokens that an answer may take.
    """

    asked: Sequence[Contestant]
    results: dict[str, ArmResult] = field(default_factory=dict)
    parts: dict[str, ArmPart] = field(default_factory=dict)
    general: dict[str, General] | None = None
    machine: dict[str, object] = field(default_factory=dict)
    room: int = 256

    @property
    def ordered(self) -> list[ArmResult]:
        """The results in the order of the contestants; remote models follow."""
        names = [*(c.name for c in self.asked), *(n for n in self.results if is_remote(n))]
        return [self.results[name] for name in names]


def evaluation_report(
    ctx: RunContext,
    recipe: Recipe,
    task: TaskSpec,
    examples: Examples,
    summary: DataSummary,
    measured: Measurements,
    seen: Overlaps,
) -> Report:
    """Everything measured, compared and judged."""
    results = measured.ordered
    comparisons = compare_arms(results, examples.groups)
    verdict = contest(
        results,
        comparisons,
        smallest_worth=recipe.decision.smallest_worth,
        metric=task.choice.primary.title,
        budget=budget_of(recipe.decision, results),
    )
    warnings = [one.sentence for one in seen.found.values() if one.sentence]
    for result in results:
        entry = next((c.entry for c in measured.asked if c.name == result.name), None)
        if entry is not None and (said := unseen_sentence(result, seen.found[entry.id].known)):
            warnings.append(said)
    return Report(
        name=recipe.name or summary.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        postgrad_version=__version__,
        seed=ctx.seed,
        task=TaskPart(kind=task.choice.kind, metric=task.choice.primary.name, why=task.choice.why),
        data=data_part(summary, examples),
        system_prompt=task.instruction,
        resolvable_difference=assumed_resolution(
            len(examples.test), recipe.decision.smallest_worth, examples.units
        ).resolvable,
        arms=[measured.parts[r.name] for r in results],
        comparisons=[comparison_part(c) for c in comparisons],
        forgetting=_forgetting(recipe.decision.forgetting_margin, measured),
        edge_cases=_slices(ctx.seed, examples.test, results),
        samples=sample_parts(examples.test, results),
        cost=CostPart(
            per_1000=per_1000(results),
            monthly_queries=recipe.decision.monthly_queries,
            by_arm=arm_costs(costs_of(recipe.decision, results), results),
            assumptions=[ctx.price.assumption, *_unpriced(results)],
        ),
        verdict=VerdictPart(
            recommendation=verdict.recommendation,
            sentence=verdict.sentence,
            reasons=[*warnings, *verdict.reasons, *units_remark(examples)],
            examples_needed=verdict.examples_needed,
            meanwhile=verdict.meanwhile,
            why=verdict.why,
        ),
        machine=measured.machine,
        seconds=ctx.ledger.seconds_part(ctx.clock),
        recipe=recipe.model_dump(mode="json"),
    )


def _unpriced(results: Sequence[ArmResult]) -> list[str]:
    missing = [r.name for r in results if r.cost_per_1000 is None]
    return [f"No price is known for {', '.join(missing)} (--price)."] if missing else []


def _forgetting(margin: float, measured: Measurements) -> ForgettingPart:
    if measured.general is None:
        return ForgettingPart(margin=margin, note="Not measured: --general measures it.")
    parts: list[BenchmarkPart] = []
    for c in measured.asked:
        after, before = measured.general.get(c.name), measured.general.get(c.base)
        if c.entry is None or after is None or before is None:
            continue
        parts += [benchmark_part(t, of=c.entry.id) for t in judge(before.scores, after.scores, margin)]
    notes = dict.fromkeys(g.note for g in measured.general.values() if g.note)
    return ForgettingPart(
        margin=margin, benchmarks=parts, note=" ".join(notes) or ("" if parts else "No trained model was measured.")
    )


def _slices(seed: int, test: Sequence[Record], results: Sequence[ArmResult]) -> list[SlicePart]:
    ranked = sorted(results, key=lambda r: -r.score.value)
    if len(ranked) < 2:
        return []
    found = worst_slices(test, (), ranked[0].scores, ranked[1].scores, seed)
    return [slice_part(s) for s in found]
