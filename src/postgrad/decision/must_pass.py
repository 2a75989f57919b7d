"""The user's must-pass cases: a trained arm that fails one is not recommended. Policy without I/O."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from postgrad.arm_kinds import is_trained, recommended_arm
from postgrad.decision.wording import opening_name, plain_name
from postgrad.measures import Verdict
from postgrad.report.must_pass import MustPassPart

NAMED = 5
"""So many failed cases are named in a sentence; the report has them all."""


def held_to(verdict: Verdict, cases: MustPassPart, without: Callable[[Collection[str]], Verdict | None]) -> Verdict:
    """The verdict, where the trained arm that it recommends fails no case; else the one without such arms.

    Args:
        verdict: By the scores alone.
        cases: What each arm made of the cases.
        without: The verdict of the arms but for these; None where none is left.
    """
    told = _reasons(verdict, cases)
    arm = recommended_arm(verdict.recommendation)
    if not is_trained(arm) or not cases.failures(arm):
        return replace(verdict, reasons=(*told, *verdict.reasons))
    other = without({a for a in cases.asked if is_trained(a) and cases.failures(a)})
    opening = f"Do not take {plain_name(arm)}, though it won: it fails {_failed(arm, cases)}."
    reasons = (*told, *verdict.reasons)
    if other is None or other.recommendation == "cannot_tell":
        sentence = f"{opening} No other way is shown to do."
        why = "the best fails a must-pass case"
        return replace(
            verdict, recommendation="cannot_tell", sentence=sentence, reasons=reasons, examples_needed=None, why=why
        )
    choice = recommended_arm(other.recommendation)
    sentence = f"{opening} Use {plain_name(choice)}{' instead' if is_trained(choice) else ' meanwhile'}."
    return replace(
        verdict, recommendation=other.recommendation, sentence=sentence, reasons=reasons, examples_needed=None
    )


def _reasons(verdict: Verdict, cases: MustPassPart) -> list[str]:
    """What the trained arms, and whatever is recommended, made of the cases; the others stand in the report."""
    recommended = recommended_arm(verdict.recommendation)
    said = [a for a in cases.asked if is_trained(a) or a == recommended]
    out = [f"{opening_name(a)} fails {_failed(a, cases)}." for a in said if cases.failures(a)]
    passing = [a for a in cases.asked if not cases.failures(a)]
    if passing:
        out.append(f"All {cases.cases} must-pass cases are passed by {', '.join(map(plain_name, passing))}.")
    if recommended not in cases.asked and recommended != "cannot_tell":
        out.append(f"{opening_name(recommended)} was not asked the must-pass cases.")
    return out


def _failed(arm: str, cases: MustPassPart) -> str:
    """`2 of 5 must-pass cases (cases.jsonl line 1; cases.jsonl line 4)`."""
    failed = cases.failures(arm)
    more = f"; and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
    return f"{len(failed)} of {cases.cases} must-pass cases ({'; '.join(failed[:NAMED])}{more})"
