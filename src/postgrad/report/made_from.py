"""Parts of a report made from what was found and measured: each part is made here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.arm_kinds import RAG, is_trained, label, meaning
from postgrad.findings import Finding
from postgrad.json_types import JsonMapping
from postgrad.measures import ArmResult, Comparison
from postgrad.records import Record
from postgrad.report.arm_parts import ArmPart, ComparisonPart
from postgrad.report.run_report import FindingPart, Report


def arm_part(result: ArmResult, model: str) -> ArmPart:
    """An arm as the report keeps it.

    Args:
        result: As measured.
        model: Which model answered.
    """
    return ArmPart(
        name=result.name,
        model=model,
        score=result.score.value,
        interval=(result.score.low, result.score.high),
        n=result.score.n,
        metrics=result.metrics,
        prompt_tokens_mean=result.prompt_tokens_mean,
        completion_tokens_mean=result.completion_tokens_mean,
        latency_ms_p50=result.latency_ms_p50,
        cost_per_1000=result.cost_per_1000,
        stopped_after=len(result.places) or None,
        note=result.note,
        details=result.details,
        trained=result.requires_training,
        held=result.held,
        right=round(sum(result.scores)) if all(score in (0.0, 1.0) for score in result.scores) else None,
        fails_by_form=result.fails_by_form,
    )


def answers_trained(arm: ArmPart) -> bool:
    """Whether a trained model answers in this arm; told by its kind in reports that do not say."""
    return is_trained(arm.name) if arm.trained is None else arm.trained


def called(report: Report, arm: str) -> str:
    """An arm's label in this report: what retrieves without documents takes the nearest training examples."""
    evaluation = report.recipe.get("evaluation") or {}
    return "nearest examples" if arm == RAG and not evaluation.get("docs") else label(arm)


def meant(report: Report, arm: str) -> str:
    """What an arm is, in a few words."""
    return "given the most similar training examples" if called(report, arm) != label(arm) else meaning(arm)


def finding_part(
    finding: Finding, records: Sequence[Record], shown: int, advice: str = "", details: JsonMapping | None = None
) -> FindingPart:
    """A finding as the report keeps it.

    Args:
        finding: What a check said.
        records: The records that it was given.
        shown: At most so many of them are named.
        advice: What to do about it.
        details: Figures behind it.
    """
    places = [records[i].source for i in finding.indices[:shown]]
    return FindingPart(
        check=finding.check,
        severity=finding.severity,
        count=finding.count,
        sentence=finding.sentence,
        examples=[(place.file, place.line) for place in places],
        rows=[place.row for place in places] if any(place.row for place in places) else [],
        evidence=list(finding.evidence[:shown]),
        advice=advice,
        details=dict(details or {}),
    )


def comparison_part(c: Comparison) -> ComparisonPart:
    """A comparison as the report keeps it."""
    return ComparisonPart(
        arm=c.arm,
        against=c.against,
        difference=c.difference,
        interval=(c.low, c.high),
        p_value=c.p_value,
        p_adjusted=c.p_adjusted,
        n=c.n,
        confidence=c.confidence,
    )
