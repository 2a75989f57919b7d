"""The share of requests that need no human review, certified on the test part."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import compress

from postgrad.decision.automation import FAILURE, Threshold, automation_sentence, certify, curve, fields_sentence
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.evaluation.statistics.further_looks import strictness
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.measures import ArmResult
from postgrad.progress import Said, Working
from postgrad.report.run_report import AutomationPart, CertifiedPart, FieldPart
from postgrad.steps.examples import Examples

_ON_ALL = 0.5
"""Of the error probability of a field: fields are often right in nearly all answers, however sure the whole answer."""


def automation(
    examples: Examples,
    choice: MetricChoice,
    arms: Collection[str],
    results: Sequence[ArmResult],
    target_accuracy: float,
    bases: int = 1,
    look: int = 1,
) -> Working[AutomationPart | None]:
    """The automation rate of the best of `arms`; None without confidences.

    Confidence is the geometric mean probability of an answer's tokens. The threshold is certified on the test part,
    which neither training nor the choice of a checkpoint or a prompt has seen. That the arm was chosen by its score
    there, and that earlier recipes were judged there, is paid for. Of answers with fields each field has a threshold of
    its own besides: a form can be filled in, and a person reviews the rest.

    Args:
        choice: Says which parts of an answer are right.
        arms: Names of those that answered on this machine.
        target_accuracy: Wanted of the answers that no person sees.
        bases: Base models of the command; one of them is chosen by the same test part.
        look: Which look at the test part this run takes.
    """
    if not choice.primary.judges_answers:
        return None
    asked = [r for r in results if r.name in arms]
    best = max((r for r in asked if not r.stopped), key=lambda r: r.score.value, default=None)
    if best is None or not best.confidences:
        return None
    failure, among = FAILURE / strictness(look), len(asked) * bases
    found = certify(best.confidences, best.scores, target_accuracy, failure, examples.groups, among)
    above = _above(found, best.confidences)
    out = list(compress(best.scores, above))
    coverage = score_interval([float(go) for go in above], examples.groups)
    accuracy = sum(out) / len(out) if out else None
    sentence = automation_sentence(found, coverage.value, (coverage.low, coverage.high), accuracy)
    yield Said(sentence)
    fields = _fields(examples, choice, best, target_accuracy, failure, among)
    fields_said = ""
    if found.value is None or any(f.coverage for f in fields):
        fields_said = fields_sentence([(f.name, f.coverage, f.right) for f in fields], target_accuracy, failure)
    if fields_said:
        yield Said(fields_said)
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
        fields=fields,
        fields_sentence=fields_said,
        sentence=sentence,
    )


def _above(found: Threshold, confidences: Sequence[float]) -> list[bool]:
    """Which answers the threshold lets go out; none where there is none."""
    return [found.value is not None and sure >= found.value for sure in confidences]


def _fields(
    examples: Examples, choice: MetricChoice, best: ArmResult, target: float, failure: float, among: int
) -> list[FieldPart]:
    """Each field's own share; the probability of a broken promise is divided among them."""
    parts = choice.parts(best.answers, examples.test)
    out: list[FieldPart] = []
    for name, scores in parts.items():
        found = certify(best.confidences, scores, target, failure, examples.groups, among * len(parts), _ON_ALL)
        kept = list(compress(scores, _above(found, best.confidences)))
        out.append(
            FieldPart(
                name=name,
                right=sum(scores) / len(scores),
                threshold=found.value,
                coverage=len(kept) / len(scores),
                accuracy=sum(kept) / len(kept) if kept else None,
            )
        )
    return out
