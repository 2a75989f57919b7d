"""The report over several bases, made of each base's own report and answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from postgrad.arm_kinds import ON_A_BASE, recommended_arm
from postgrad.decision.contest import contest
from postgrad.decision.wording import at_confidence
from postgrad.evaluation.statistics.scores import compare, compare_arms, corrected, level, score_interval
from postgrad.measures import ArmResult, Comparison
from postgrad.recipe import DecisionSection, Recipe
from postgrad.report.arm_parts import ArmPart
from postgrad.report.made_from import answers_trained, comparison_part
from postgrad.report.money_parts import CostPart
from postgrad.report.results import ResultLine
from postgrad.report.run_report import BasePart, ForgettingPart, Report, SamplePart, VerdictPart
from postgrad.steps.reporting.money import arm_costs, budget_of, costs_of, per_1000

SAMPLES = 8


@dataclass(frozen=True)
class BaseRun:
    """What one base's job left.

    Attributes:
        label: Short name; the folder's name too.
        lines: Its answers by content hash.
    """

    label: str
    base: str
    report: Report
    lines: Mapping[str, ResultLine] = field(repr=False, default_factory=dict)

    @property
    def recommended(self) -> str:
        """The arm that its own verdict recommends; its best untrained one (else its best) where that cannot tell."""
        name = recommended_arm(self.report.verdict.recommendation)
        names = {a.name for a in self.report.arms}
        if name in names:
            return name
        untrained = [a for a in self.report.arms if not answers_trained(a)]
        return max(untrained or self.report.arms, key=lambda a: a.score).name


def common_results(runs: Sequence[BaseRun]) -> tuple[list[ArmResult], str]:
    """Every arm of every base on the examples that all of them answered, and what is to be said where those are not
    all."""
    hashes = [h for h in runs[0].lines if all(h in run.lines for run in runs)]
    out: list[ArmResult] = []
    for run in runs:
        for arm in run.report.arms:
            answers = [run.lines[h].arms[arm.name] for h in hashes if arm.name in run.lines[h].arms]
            if len(answers) == len(hashes) and answers:
                out.append(_result(run, arm, [a.score for a in answers], [a.answer for a in answers], _groups(runs)))
    counts = {run.label: len(run.lines) for run in runs}
    short = {label: n for label, n in counts.items() if n != len(hashes)}
    note = ""
    if short:
        note = (
            f"The bases are compared on the {len(hashes)} test examples that all of them have ("
            + ", ".join(f"{label}: {n}" for label, n in short.items())
            + "): the checks left out what does not fit a base's context."
        )
    return out, note


def best_untrained(label: str, results: Sequence[ArmResult]) -> ArmResult:
    """The best untrained arm of a base."""
    mine = [r for r in results if r.name.endswith(f"{ON_A_BASE}{label}") and not r.requires_training]
    return max(mine, key=lambda r: r.score.value)


def merged_lines(runs: Sequence[BaseRun]) -> Iterator[ResultLine]:
    """The answers of all bases, example by example."""
    for hash in dict.fromkeys(h for run in runs for h in run.lines):
        own = [run for run in runs if hash in run.lines]
        arms = {f"{name}{ON_A_BASE}{run.label}": answer for run in own for name, answer in run.lines[hash].arms.items()}
        yield own[0].lines[hash].model_copy(update={"arms": arms})


def bases_report(
    recipe: Recipe,
    runs: Sequence[BaseRun],
    results: Sequence[ArmResult],
    untrained: Mapping[str, str],
    note: str,
    seconds: float,
) -> Report:
    """Everything over all bases.

    Args:
        recipe: As the user gave it.
        runs: One a base.
        results: From `common_results`.
        untrained: Why bases were not trained.
        note: What is to be said of the common examples.
        seconds: Of this command.
    """
    by_name = {r.name: r for r in results}
    own = {run.label: by_name[f"{run.recommended}{ON_A_BASE}{run.label}"] for run in runs}
    groups = _groups(runs)
    look = max((run.report.registration.look for run in runs if run.report.registration), default=1)
    finals = compare_arms(list(own.values()), groups, look=look)
    verdict = contest(
        list(own.values()),
        finals,
        smallest_worth=recipe.decision.smallest_worth,
        metric=runs[0].report.task.metric,
        budget=budget_of(recipe.decision, list(own.values())),
    )
    verdict = replace(verdict, sentence=at_confidence(verdict.sentence, level(look)))
    ahead = max(own, key=lambda label: (own[label].name == verdict.recommendation, own[label].score.value))
    first = next(run for run in runs if run.label == ahead)
    others = [
        c for c in _same_arm(results, groups, look) if (c.arm, c.against) not in {(f.arm, f.against) for f in finals}
    ]
    reasons = [*verdict.reasons, *([note] if note else [])]
    reasons += [f"{run.label}: {run.report.verdict.sentence}" for run in runs]
    reasons += [f"{label}: {why}" for label, why in untrained.items()]
    rate = first.report.automation
    return first.report.model_copy(
        update={
            "name": recipe.name or first.report.name.removesuffix(f"-{first.label}"),
            "arms": [
                _part(run, arm, by_name)
                for run in runs
                for arm in run.report.arms
                if f"{arm.name}{ON_A_BASE}{run.label}" in by_name
            ],
            "comparisons": [comparison_part(c) for c in (*finals, *others)],
            "forgetting": _forgetting(runs, first),
            "edge_cases": [],
            "automation": rate.model_copy(update={"arm": f"{rate.arm}{ON_A_BASE}{first.label}"}) if rate else None,
            "samples": _samples(runs, list(own.values())),
            "cost": _cost(recipe.decision, runs, results, first),
            "verdict": VerdictPart(
                recommendation=verdict.recommendation,
                sentence=verdict.sentence,
                reasons=reasons,
                examples_needed=verdict.examples_needed,
                meanwhile=verdict.meanwhile,
                why=verdict.why,
            ),
            "seconds": {
                **{run.label: run.report.seconds.get("this command", 0.0) for run in runs},
                "this command": round(seconds, 1),
            },
            "recipe": recipe.model_dump(mode="json"),
            "bases": [_base_part(run, results, untrained.get(run.label, "")) for run in runs],
        }
    )


def _result(
    run: BaseRun, arm: ArmPart, scores: Sequence[float], answers: Sequence[str], groups: Sequence[str | None] | None
) -> ArmResult:
    return ArmResult(
        name=f"{arm.name}{ON_A_BASE}{run.label}",
        scores=tuple(scores),
        answers=tuple(answers),
        metrics=arm.metrics,
        prompt_tokens_mean=arm.prompt_tokens_mean,
        completion_tokens_mean=arm.completion_tokens_mean,
        latency_ms_p50=arm.latency_ms_p50,
        cost_per_1000=arm.cost_per_1000,
        score=score_interval(scores, groups),
        requires_training=answers_trained(arm),
    )


def _groups(runs: Sequence[BaseRun]) -> list[str | None] | None:
    """What each common example belongs to."""
    found = [runs[0].lines[h].group for h in runs[0].lines if all(h in run.lines for run in runs)]
    return found if any(g is not None for g in found) else None


def _same_arm(results: Sequence[ArmResult], groups: Sequence[str | None] | None, look: int) -> list[Comparison]:
    """The same way on each pair of bases, Holm-corrected over all of these, and for earlier looks."""
    found = [
        compare(y.scores, x.scores, groups, arm=y.name, against=x.name, confidence=level(look))
        for x, y in combinations(results, 2)
        if x.name.partition(ON_A_BASE)[0] == y.name.partition(ON_A_BASE)[0]
    ]
    return corrected(found, look)


def _part(run: BaseRun, arm: ArmPart, results: Mapping[str, ArmResult]) -> ArmPart:
    name = f"{arm.name}{ON_A_BASE}{run.label}"
    score = results[name].score
    return arm.model_copy(
        update={"name": name, "score": score.value, "interval": (score.low, score.high), "n": score.n}
    )


def _forgetting(runs: Sequence[BaseRun], first: BaseRun) -> ForgettingPart | None:
    parts = [
        b.model_copy(update={"name": f"{b.name}, {run.label}"})
        for run in runs
        if run.report.forgetting
        for b in run.report.forgetting.benchmarks
    ]
    part = first.report.forgetting
    return part.model_copy(update={"benchmarks": parts}) if part else None


def _samples(runs: Sequence[BaseRun], own: Sequence[ArmResult]) -> list[SamplePart]:
    """The examples on which what each base recommends differs most."""
    hashes = [h for h in runs[0].lines if all(h in run.lines for run in runs)]
    spread = [max(r.scores[i] for r in own) - min(r.scores[i] for r in own) for i in range(len(hashes))]
    picked = sorted(range(len(hashes)), key=lambda i: -spread[i])[:SAMPLES]
    return [
        SamplePart(
            prompt=runs[0].lines[hashes[i]].prompt_text,
            reference=runs[0].lines[hashes[i]].reference,
            answers={r.name: r.answers[i] for r in own},
            scores={r.name: r.scores[i] for r in own},
        )
        for i in picked
    ]


def _cost(decision: DecisionSection, runs: Sequence[BaseRun], results: Sequence[ArmResult], first: BaseRun) -> CostPart:
    """The money of the recommended base, beside the price of every way; training is that of all bases."""
    assumptions = [
        *first.report.cost.assumptions,
        f"Training is summed over all bases; what is spent once and monthly, and break-even, are for {first.label}"
        " only.",
    ]
    return first.report.cost.model_copy(
        update={
            "training": sum(run.report.cost.training for run in runs),
            "per_1000": per_1000(results),
            "by_arm": arm_costs(costs_of(decision, results), results),
            "assumptions": assumptions,
        }
    )


def _base_part(run: BaseRun, results: Sequence[ArmResult], note: str) -> BasePart:
    report = run.report
    untrained = [a for a in report.arms if not answers_trained(a)]
    best = max(untrained, key=lambda a: a.score) if untrained else None
    tuned = [a for a in report.arms if answers_trained(a)]
    return BasePart(
        name=run.label,
        base=run.base,
        folder=run.label,
        recommendation=report.verdict.recommendation,
        untrained_arm=best.name if best else None,
        untrained_score=best.score if best else None,
        tuned_score=max(a.score for a in tuned) if tuned else None,
        parameters=report.machine.get("parameters"),
        training_seconds=report.training.seconds if report.training else None,
        training_cost=report.cost.training if report.training else None,
        peak_memory_bytes=report.training.peak_memory_bytes if report.training else None,
        cost_per_1000=next((a.cost_per_1000 for a in report.arms if a.name == run.recommended), None),
        lost=[b.name for b in report.forgetting.benchmarks if b.verdict == "lost"] if report.forgetting else [],
        note=note,
    )
