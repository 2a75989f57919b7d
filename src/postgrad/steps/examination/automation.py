"""The share of requests that need no human review: calibrated on validation, checked on the test part."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.decision.automation import automation_sentence, certify, curve
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.measure import Measuring
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.measures import ArmResult
from postgrad.progress import Said, Working
from postgrad.report.run_report import AutomationPart
from postgrad.steps.arms.measuring import answered
from postgrad.steps.examples import Examples


def automation(
    how: Measuring,
    choice: MetricChoice,
    examples: Examples,
    arms: Sequence[Arm],
    results: Sequence[ArmResult],
    target_accuracy: float,
) -> Working[AutomationPart | None]:
    """The automation rate of the best of `arms`, all answered by the model of `how`; None without confidences.

    Confidence is the geometric mean probability of an answer's tokens. The threshold is chosen on the validation part,
    which early stopping has seen too: with one checkpoint chosen among a handful that optimism is small, and the
    accuracy on the untouched test part stands beside the promise.
    """
    names = {arm.name: arm for arm in arms}
    best = max((r for r in results if r.name in names and not r.stopped), key=lambda r: r.score.value, default=None)
    if best is None or not best.confidences:
        return None
    known = yield from answered(how, names[best.name], examples.validation, choice)
    found = certify(known.confidences, known.scores, target_accuracy)
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
        needed=found.needed,
        curve=[(p.coverage, p.accuracy) for p in curve(best.confidences, best.scores)],
        sentence=sentence,
    )
