"""The decision in four lines: a headline, what to use it for, what not, and what to do next. Policy over the finished
report, without I/O."""

from __future__ import annotations

from postgrad.arm_kinds import is_trained, label, plain_name, recommended_arm, retrieves
from postgrad.decision.untold import WHY as UNTOLD
from postgrad.decision.verdict import CUT_SHORT, FORM
from postgrad.decision.wording import about, points
from postgrad.measures import NEIGHBOUR
from postgrad.report.advice import BriefPart
from postgrad.report.arm_parts import ArmPart
from postgrad.report.made_from import called
from postgrad.report.run_report import Report

MOST_WORDS = 18
FEW = 20
"""Test examples below which it is examples of any kind that are missing, not so many of the test."""
_SURE = 0.95
"""From this score on an answer may go out without a person, whatever was certified."""
_WORSE = 0.05
_MOST_LOST = 3


def brief(report: Report) -> BriefPart:
    """The four lines."""
    verdict = report.verdict
    name = recommended_arm(verdict.recommendation)
    arm = next((a for a in report.arms if a.name == name), None)
    if arm is None:
        return _undecided(report)
    trained = is_trained(name)
    rival = _best(report, trained=not trained)
    opening = "Fine-tune" if trained else f"Use {_named(report, name)}"
    if verdict.before_training:
        headline = f"Stop before training: {_right(arm)} with {_named(report, name)}."
    elif rival is None:
        headline = f"{opening}: {_right(arm)}."
    elif trained:
        headline = f"{opening}: {_right(arm)}; best alternative ({called(report, rival.name)}): {_short(rival)}."
    else:
        headline = f"{opening}: {_right(arm)}; fine-tuned, {_short(rival)}."
    do_next, command = _after(report, trained)
    return BriefPart(
        headline=headline, use_for=_use(report, arm), not_for=_not(report, arm), do_next=do_next, command=command
    )


def _undecided(report: Report) -> BriefPart:
    verdict = report.verdict
    meanwhile = next((a for a in report.arms if a.name == verdict.meanwhile), None)
    stop = "Stop before training" if verdict.before_training else "Cannot tell yet"
    headline = f"{stop}: {verdict.why or 'what was measured does not settle it'}."
    step = f"{verdict.next_steps[0].step}." if verdict.next_steps else "Give more examples, and run the same again."
    not_for, command = "A decision: what was seen could be chance.", ""
    if verdict.why == UNTOLD:
        not_for = "A decision for fine-tuning: its rivals were not told what to do."
        step = "Say what the task is, and run the same command again; only the rivals are asked anew."
        command = '--task "…"'
    elif verdict.why == FORM:
        not_for = "A decision for fine-tuning: a rival knows answers that it does not write as required."
        step = "Ask that rival in a form that it can keep, by an instruction that names the form, and run again."
        command = '--system-prompt "…"'
    elif verdict.why == CUT_SHORT:
        not_for = "A decision against fine-tuning: it was not trained to its end."
        step, command = "Give the training more time.", f"--max-minutes {_more_minutes(report)}"
    elif report.data.test < FEW:
        step = "Give more examples: 50 to 100 are a usual start, a few hundred decide. Then run the same command again."
    elif verdict.examples_needed:
        more = max(1, verdict.examples_needed - report.data.test)
        step = f"Label about {about(more)} more test examples, and run the same command with them."
        command = "--test MORE.csv"
    return BriefPart(
        headline=headline,
        use_for=f"{_capital(_named(report, meanwhile.name))} meanwhile: {_right(meanwhile)}."
        if meanwhile
        else "Nothing yet.",
        not_for=not_for,
        do_next=step,
        command=command,
    )


def _use(report: Report, arm: ArmPart) -> str:
    """What the arm may do, as far as it was measured."""
    if report.task.kind == "text":
        return f"Going on from text like the test's: {_right(arm)}, where the base has 50."
    task = f"Requests like those of the test: {_right(arm)}"
    rate = report.automation
    if rate is not None and rate.arm == arm.name:
        fields = [f for f in rate.fields if f.coverage and f.threshold is not None]
        if rate.threshold is not None and rate.coverage > 0:
            certified = f"(certified at {percent(rate.target_accuracy)})"
            return f"{task}; {percent(rate.coverage)} of them without review {certified}."
        if fields:
            best = sorted(fields, key=lambda f: -f.coverage)[:3]
            named = ", ".join(f"{f.name} in {percent(f.coverage)}" for f in best)
            return f"{task}; without review {named} (certified at {percent(rate.target_accuracy)})."
    return f"{task}{'' if arm.score >= _SURE else ', each looked at by a person'}."


def _not(report: Report, arm: ArmPart) -> str:
    """What it is not for, the worst first."""
    out: list[str] = []
    lost = [b for b in report.forgetting.benchmarks if b.verdict == "lost"] if report.forgetting else []
    if lost and is_trained(arm.name):
        named = ", ".join((b.title or b.name).replace("_", " ") for b in lost[:_MOST_LOST])
        out.append(f"other tasks: it lost {'the neighbouring ' if lost[0].kind == NEIGHBOUR else ''}{named}")
    worst = [p for p in report.edge_cases if p.p_worse is not None and p.p_worse < _WORSE and is_trained(arm.name)]
    out += [f"requests of the kind {p.slice} ({points(p.fine_tuned)} of 100)" for p in worst[:1]]
    rate = report.automation
    alone = rate is not None and rate.arm == arm.name and (rate.coverage > 0 or any(f.coverage for f in rate.fields))
    if report.task.kind == "text":
        out.append("facts: a voice is no knowledge")
    elif arm.score < _SURE and not alone:
        out.append("answers that nobody looks at")
    if retrieves(arm.name):
        out.append("questions on which nothing is found")
    if not lost and is_trained(arm.name):
        out.append(
            "other tasks: it was tried on this one alone" if report.forgetting is None else "tasks that were not tested"
        )
    return _capital("; ".join(out or ["requests unlike those of the test"])) + "."


def _after(report: Report, trained: bool) -> tuple[str, str]:
    """(what to do, the command)."""
    if trained and report.model:
        name = f"{report.model.name}@{report.model.version}"
        return "Try it on requests of your own, then serve it (postgrad serve).", f"postgrad chat {name}"
    steps = report.verdict.next_steps
    if trained:
        return (f"{steps[0].step}." if steps else "Register the model by running with --name."), ""
    return (f"{steps[0].step}." if steps else "Put it to work; look again when you have more examples."), ""


def _best(report: Report, trained: bool) -> ArmPart | None:
    """The best arm of that kind that was measured on the whole test part."""
    arms = [a for a in report.arms if is_trained(a.name) is trained and a.stopped_after is None]
    return max(arms, key=lambda a: a.score, default=None)


def _named(report: Report, arm: str) -> str:
    """An arm in a sentence."""
    said = called(report, arm)
    return plain_name(arm) if said == label(arm) else f"the {said}"


def _right(arm: ArmPart) -> str:
    return f"{arm.right} of {arm.n} right" if arm.right is not None else f"{points(arm.score)} of 100 points"


def _short(arm: ArmPart) -> str:
    return f"{arm.right}" if arm.right is not None else points(arm.score)


def percent(share: float) -> str:
    """With a space at which no line breaks."""
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def _more_minutes(report: Report) -> int:
    spent = report.seconds.get("this command", sum(report.seconds.values())) / 60
    return max(10, 10 * round(2 * spent / 10))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
