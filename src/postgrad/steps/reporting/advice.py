"""What goes into the report besides the verdict's own evidence: the curve, the kinds that go wrong, the disturbances,
what to do next."""

from __future__ import annotations

from postgrad.decision.next_steps import next_steps
from postgrad.report.advice import CurvePart, DisturbancesPart, KindsPart
from postgrad.report.run_report import Report
from postgrad.steps.reporting.brief import brief


def advised(
    report: Report,
    curve: CurvePart | None,
    kinds: KindsPart | None,
    disturbances: DisturbancesPart | None,
    smallest_worth: float,
) -> Report:
    """The report with these parts, and with the next steps that follow from all of it."""
    fuller = report.model_copy(update={"learning_curve": curve, "kinds": kinds, "disturbances": disturbances})
    steps = next_steps(fuller, smallest_worth)
    return briefed(fuller.model_copy(update={"verdict": report.verdict.model_copy(update={"next_steps": steps})}))


def briefed(report: Report) -> Report:
    """The finished report with its decision in four lines."""
    return report.model_copy(update={"verdict": report.verdict.model_copy(update={"brief": brief(report)})})
