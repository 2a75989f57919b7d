"""The share of requests that need no human review, certified on the test part."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from postgrad.decision.automation import FAILURE, automation_sentence, certify, curve
from postgrad.evaluation.statistics.further_looks import strictness
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.measures import ArmResult
from postgrad.progress import Said, Working
from postgrad.report.run_report import AutomationPart, CertifiedPart
from postgrad.steps.examples import Examples


def automation(
    examples: Examples,
    arms: Collection[str],
    results: Sequence[ArmResult],
    target_accuracy: float,
    bases: int = 1,
    look: int = 1,
) -> Working[AutomationPart | None]:
    """The automation rate of the best of `arms`; None without confidences.

    Confidence is the geometric mean probability of an answer's tokens. The threshold is certified on the test part,
    which neither training nor the choice of a checkpoint or a prompt has seen. That the arm was chosen by its score
    there, and that earlier recipes were judged there, is paid for.

    Args:
        arms: Names of those that answered on this machine.
        target_accuracy: Wanted of the answers that no person sees.
        bases: Base models of the command; one of them is chosen by the same test part.
        look: Which look at the test part this run takes.
    """
    asked = [r for r in results if r.name in arms]
    best = max((r for r in asked if not r.stopped), key=lambda r: r.score.value, default=None)
    if best is None or not best.confidences:
        return None
    failure, among = FAILURE / strictness(look), len(asked) * bases
    found = certify(best.confidences, best.scores, target_accuracy, failure, examples.groups, among)
    above = [c >= found.value for c in best.confidences] if found.value is not None else [False] * len(best.scores)
    out = [score for score, go in zip(best.scores, above, strict=True) if go]
    coverage = score_interval([float(go) for go in above], examples.groups)
    accuracy = sum(out) / len(out) if out else None
    sentence = automation_sentence(found, coverage.value, (coverage.low, coverage.high), accuracy)
    yield Said(sentence)
    return AutomationPart(
        arm=best.name,
        target_accuracy=found.target,
        failure=found.failure,
        threshold=found.value,
        coverage=coverage.value,
        coverage_interval=(coverage.low, coverage.high),
        accuracy=accuracy,
        calibration=found.examples,
        calibrated_on="test",
        independent=found.independent,
        needed=found.needed,
        instead=CertifiedPart(
            accuracy=found.floor.accuracy,
            threshold=found.floor.value,
            coverage=found.floor.automated / found.examples,
        )
        if found.floor
        else None,
        advised=found.advised,
        curve=[(p.coverage, p.accuracy) for p in curve(best.confidences, best.scores)],
        sentence=sentence,
    )
