"""What to do next, in the order of what it is expected to bring: a policy over the finished report, without I/O.

Each rule looks at one kind of evidence and gives steps or none. Where a gain was measured or forecast it is said in
points; where a step settles a question instead, it says which. To add one: a rule, and its name in `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postgrad.arm_kinds import is_trained, retrieves
from postgrad.decision.missing import clearly_worse, wrong
from postgrad.decision.wording import about, points
from postgrad.measures import CONDUCT, NEIGHBOUR
from postgrad.report.advice import NextStepPart
from postgrad.report.arm_parts import ArmPart, ComparisonPart
from postgrad.report.made_from import answers_trained
from postgrad.report.run_report import BenchmarkPart, Report

MOST = 6
_LEVEL = 0.05
_USELESS = 0.05
_GOOD = 0.9
"""From this score on nobody needs a larger base."""
MANY_LOOKS = 5
"""After so many looks at one test part fresh examples are asked for."""
_DISTURBED_SHARE = 0.1
"""Of real requests, assumed to come disturbed in one way; it orders steps and is never shown."""
_SPOILT_SHARE = 0.5
"""What mending an example is assumed to bring, as a share of what it is of all; it orders steps and is never shown."""
_MATTERS = 0.25
"""Spoilt examples are worth a step from this part of the smallest gain worth having on, as a share of all."""
_SETTLES = 0.002
"""Where a step that settles a side question stands among those that gain points."""
_MENDED = {
    "contradictions": "contradictory answers",
    "label_noise": "labels that look wrong",
    "faithfulness": "answers that the request does not support",
    "cut_off": "answers that are cut off",
    "encoding": "texts with broken characters",
}


@dataclass(frozen=True, slots=True)
class _Step:
    """A step with what it is expected to bring to the whole score, by which steps are ordered."""

    expected: float
    step: str
    gain: str
    why: str


def next_steps(report: Report, smallest_worth: float = 0.02) -> list[NextStepPart]:
    """The few steps worth taking, the most promising first.

    Args:
        report: With everything that was measured; parts that are not there give no steps.
        smallest_worth: The smallest gain worth having.
    """
    found = [step for rule in RULES for step in rule(report, smallest_worth)]
    found.sort(key=lambda s: -s.expected)
    return [NextStepPart(step=s.step, gain=s.gain, why=s.why) for s in found[:MOST]]


def _settle(report: Report, worth: float) -> list[_Step]:
    needed, n = report.verdict.examples_needed, report.data.test
    if needed is None or needed <= n:
        return []
    lead = _lead(report)
    seen = f"{points(lead.difference)} points ({_span(lead.interval)}) were seen on {n}" if lead else f"there are {n}"
    expected = max(worth, lead.difference) if lead else worth
    step = f"Label about {about(needed - n)} more test examples (data.test, data.max_test, or --test FILE)"
    return [_Step(expected, step, "settles the verdict", f"{seen}; about {about(needed)} would be enough.")]


def _fresh_test(report: Report, worth: float) -> list[_Step]:
    """A test part that was looked at often has little left to say."""
    seen = report.registration
    if seen is None or seen.look < MANY_LOOKS:
        return []
    return [
        _Step(
            worth,
            "Label fresh test examples (--test FILE)",
            "judges at 95 % again",
            f"{seen.look} recipes were judged on this test part; intervals of differences are taken at"
            f" {100 * seen.confidence:.4g} % each now.",
        )
    ]


def _forgotten(report: Report, worth: float) -> list[_Step]:
    """A model that lost general ability may not be taken; one that could not be tested enough is in doubt."""
    if report.forgetting is None:
        return []
    lost = [b for b in report.forgetting.benchmarks if b.verdict == "lost"]
    if lost:
        lead = _lead(report)
        taken = is_trained(report.verdict.recommendation) and all(b.kind in CONDUCT for b in lost)
        expected = _SETTLES if taken else max(worth, lead.difference if lead else 0.0)
        why = ", ".join(f"{b.name} fell by {points(-b.difference)} points ({_span(b.interval)})" for b in lost)
        if taken:
            gain = "keeps its behaviour outside the task"
        elif lead and lead.difference > 0:
            gain = f"makes a gain of {points(lead.difference)} points usable"
        else:
            gain = "keeps the model's knowledge"
        replayed = report.training.replayed if report.training else 0
        how = (
            "with a larger share of general examples (training.base_replay, training.replay_share for files of yours)"
            if replayed
            else "with general examples mixed in (training.base_replay, or training.replay for files of yours)"
        )
        return [
            _Step(
                expected,
                f"Train again {how}, or with training.blend=true",
                gain,
                f"{why}.",
            )
        ]
    countable = [b for b in report.forgetting.benchmarks if b.kind not in (*CONDUCT, NEIGHBOUR) and not b.guessed]
    open_ones = [b for b in countable if b.verdict == "cannot_tell"]
    tasks = [
        b for b in report.forgetting.benchmarks if b.kind == NEIGHBOUR and b.verdict == "cannot_tell" and not b.note
    ]
    return [*_tested_more(report, open_ones, ""), *_tested_more(report, tasks, "task")]


def _tested_more(report: Report, open_ones: list[BenchmarkPart], of: str) -> list[_Step]:
    if report.forgetting is None or not open_ones:
        return []
    worst = max(open_ones, key=lambda b: b.interval[1] - b.interval[0])
    half = (worst.interval[1] - worst.interval[0]) / 2
    items = max(worst.n + 1, round(worst.n * (half / report.forgetting.margin) ** 2))
    why = f"{worst.name}: {points(worst.difference)} points ({_span(worst.interval)}) on {worst.n} items."
    if of:
        step = f"Give about {about(items)} requests of {worst.name} (--also-keep, evaluation.general_items)"
        return [_Step(_SETTLES, step, "shows whether that task was lost", why)]
    step = f"Test forgetting on about {about(items)} items a benchmark (evaluation.general_items)"
    return [_Step(_SETTLES, step, "shows whether general ability was lost", why)]


def _more_examples(report: Report, worth: float) -> list[_Step]:
    curve = report.learning_curve
    if report.training is None or curve is None:
        return []
    if curve.unstable:
        step = "Train again with another seed and a lower rate (--seed, training.learning_rate)"
        return [_Step(worth, step, "shows whether the model is as good as it can be", curve.sentence)]
    if not curve.points or curve.forecast is None or curve.gain is None:
        return [
            _Step(_SETTLES, "Make the learning curve (--curve)", "shows what more examples would bring", curve.sentence)
        ]
    (size, score), ahead = curve.points[-1], curve.forecast
    rival = max((a.score for a in report.arms if not answers_trained(a)), default=0.0)
    if max(ahead.interval[1], ahead.score) <= rival:
        return []  # even with more examples the untrained arm stays ahead
    why = f"scores by examples: {', '.join(f'{n:,}: {points(s)}' for n, s in curve.points)}."
    if curve.gain[1] < worth:
        if max(score, rival) >= _GOOD:
            return []
        more = f"twice the examples bring {points(max(0.0, ahead.score - score))} points ({_span(curve.gain)}); {why}"
        return [
            _Step(
                0.2 * (1 - score),
                "Try a larger base (--base)",
                "not measured; more examples of this kind will hardly help",
                more,
            )
        ]
    gain = max(0.0, (curve.gain[0] + curve.gain[1]) / 2, ahead.score - score)
    text = f"expected {_signed(gain)} points ({_span(curve.gain)})"
    beyond = max(0.0, min(gain, ahead.score - rival))  # what only draws level with the untrained arm is worth nothing
    return [_Step(beyond, f"Collect about {about(ahead.examples - size)} more examples of the same mixture", text, why)]


def _missing_kinds(report: Report, worth: float) -> list[_Step]:
    if report.kinds is None:
        return []
    out = []
    for kind in clearly_worse(report.kinds.kinds):
        weight = kind.gain / max(1e-9, kind.rest - kind.score)
        low, high = (max(0.0, kind.rest - end) * weight for end in reversed(kind.interval))
        gain = f"up to {_signed(kind.gain)} points ({_span((low, high))}), if they become as good as the rest"
        share = f"; {100 * kind.production:.0f} % of production" if kind.production is not None else ""
        why = (
            f"{kind.train} training examples, {wrong(kind)} of {kind.test} wrong in the test where the rest reaches"
            f" {points(kind.rest)} points (p = {kind.p_worse:.2g}){share}."
        )
        learns = is_trained(report.kinds.arm) or retrieves(report.kinds.arm)
        step = (
            f"Collect about {about(kind.missing)} more examples like '{kind.words}'"
            if learns
            else f"State in the instruction what to do with requests like '{kind.words}'"
        )
        out.append(_Step(kind.gain, step, gain, why))
    return out


def _bad_slices(report: Report, worth: float) -> list[_Step]:
    out = []
    for part in report.edge_cases:
        if part.p_worse is None or part.p_worse >= _LEVEL or part.rest is None or not report.data.test:
            continue
        gain = max(0.0, part.rest - part.fine_tuned) * part.n / report.data.test
        why = (
            f"{points(part.fine_tuned)} points on {part.n} such test examples, {points(part.rest)} on the rest (p ="
            f" {part.p_worse:.2g})."
        )
        out.append(
            _Step(gain, f"Add training examples of this kind: {part.slice}", f"up to {_signed(gain)} points", why)
        )
    return out


def _fragile(report: Report, worth: float) -> list[_Step]:
    if report.disturbances is None or not report.disturbances.rows:
        return []
    arm = report.disturbances.rows[0].arm
    hurt = [r for r in report.disturbances.rows if r.arm == arm and r.p_adjusted < _LEVEL and r.difference < 0]
    if not hurt:
        return []
    worst = min(hurt, key=lambda r: r.difference)
    kinds = ", ".join(f"'{r.kind}'" for r in hurt)
    why = ", ".join(
        f"'{r.kind}' costs {points(-r.difference)} points ({_span((-r.interval[1], -r.interval[0]))})" for r in hurt
    )
    step = (
        f"Train on perturbed copies too (postgrad augment --method noise): {kinds}"
        if is_trained(arm)
        else f"Clean requests before they reach the model: {kinds}"
    )
    return [
        _Step(
            -worst.difference * _DISTURBED_SHARE,
            step,
            f"up to {_signed(-worst.difference)} points on such requests",
            f"{why}.",
        )
    ]


def _spoilt_data(report: Report, worth: float) -> list[_Step]:
    """What the checks found in enough examples to matter; a person has to look at each."""
    out = []
    for finding in report.data.findings:
        if finding.check not in _MENDED or finding.severity == "info" or not report.data.read:
            continue
        share = finding.count / report.data.read
        if share >= worth * _MATTERS:
            step = f"Fix the {_MENDED[finding.check]} in the data: {finding.count:,} found (postgrad check names them)"
            gain = f"not measured; they are {points(share)} % of the examples"
            out.append(_Step(_SPOILT_SHARE * share, step, gain, finding.sentence))
    return out


def _larger_base(report: Report, worth: float) -> list[_Step]:
    best = max((a.score for a in report.arms), default=1.0)
    if best >= _USELESS:
        return []
    why = f"even the best arm scores {points(best)} of 100 points."
    return [
        _Step(
            1 - best,
            "Try a larger base (--base), and look at the sample answers: the task may be unclear",
            "not measured; nothing works with this one",
            why,
        )
    ]


def _longer(report: Report, worth: float) -> list[_Step]:
    """The validation loss was at its lowest at the end: the training was stopped by its plan, not by its data."""
    t = report.training
    if t is None or not t.still_falling:
        return []
    (_, before), (_, last) = t.validation_loss[-2:]
    why = f"validation loss was still falling at the end, {before:.3f} to {last:.3f}."
    step = "Train longer: more passes (training.epochs), or more time (--max-minutes)"
    return [_Step(_SETTLES if t.cut_short else 0.5 * worth, step, "not measured", why)]


def _uncertified(report: Report, worth: float) -> list[_Step]:
    a = report.automation
    if a is None or a.threshold is not None:
        return []
    wanted = max(a.needed, a.advised or 0)
    known = a.calibration if a.independent is None else a.independent
    if known >= wanted:
        return []
    step = f"Test on about {about(wanted)} examples (data.test, data.max_test, or --test FILE)"
    why = f"{known} are too few to certify any share at {points(a.target_accuracy)} % accuracy."
    return [_Step(_SETTLES, step, "shows what can be answered without human review", why)]


NextStepRule = Callable[[Report, float], list[_Step]]
RULES: tuple[NextStepRule, ...] = (
    _settle,
    _fresh_test,
    _forgotten,
    _more_examples,
    _missing_kinds,
    _bad_slices,
    _fragile,
    _spoilt_data,
    _larger_base,
    _longer,
    _uncertified,
)


def _lead(report: Report) -> ComparisonPart | None:
    """The best trained arm against the best untrained one."""
    pairs = {(c.arm, c.against): c for c in report.comparisons}
    trained = [a for a in report.arms if answers_trained(a)]
    untrained = [a for a in report.arms if not answers_trained(a)]
    if not trained or not untrained:
        return None

    def score(arm: ArmPart) -> float:
        return arm.score

    return pairs.get((max(trained, key=score).name, max(untrained, key=score).name))


def _span(interval: tuple[float, float]) -> str:
    return f"{points(interval[0])} to {points(interval[1])}"


def _signed(share: float) -> str:
    return f"+{points(share)}"
