"""Which share of requests could be answered without a person: calibrated on validation, checked on the test part."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.decision.automation import automation_sentence, certify, curve
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.measures import ArmResult
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.report.run_report import AutomationPart
from postgrad.steps.arms import answered
from postgrad.steps.context import Job
from postgrad.steps.read import Data


def automation(
    job: Job, model: LanguageModel, data: Data, arms: Sequence[Arm], results: Sequence[ArmResult], adapter: str | None
) -> Working[AutomationPart | None]:
    """The automation rate of the best of `arms`, which the model must answer as it stands; None without confidences.

    Confidence is the geometric mean probability of an answer's tokens. The threshold is chosen on the validation part,
    which early stopping has seen too: with one checkpoint chosen among a handful that optimism is small, and the
    accuracy on the untouched test part stands beside the promise.
    """
    names = {arm.name: arm for arm in arms}
    best = max((r for r in results if r.name in names and not r.stopped), key=lambda r: r.score.value, default=None)
    if best is None or not best.confidences:
        return None
    known = yield from answered(job, model, data, names[best.name], data.validation, adapter)
    found = certify(known.confidences, known.scores, job.recipe.decision.target_accuracy)
    above = [c >= found.value for c in best.confidences] if found.value is not None else [False] * len(best.scores)
    out = [score for score, go in zip(best.scores, above, strict=True) if go]
    coverage = score_interval([float(go) for go in above], data.groups)
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
