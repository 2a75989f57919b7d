"""No recommendation over rivals that nobody told what to do. Policy without I/O."""

from __future__ import annotations

from dataclasses import replace

from postgrad.arm_kinds import is_trained, recommended_arm
from postgrad.measures import Verdict

REASON = (
    "The instruction of the prompted arms was written by rule from the form of the answers and does not say what the"
    " task is."
)

WHY = "no rival was told the task"


def untold(verdict: Verdict) -> Verdict:
    """The verdict where no untrained arm was told the task: a trained arm is then not recommended, whatever it gained.

    The training and all its answers are kept: with a sentence on the task only the prompted arms are measured again.
    """
    if not is_trained(recommended_arm(verdict.recommendation)):
        return replace(verdict, reasons=(*verdict.reasons, REASON))
    gained = verdict.sentence.partition(": ")[2].rstrip(".")
    sentence = (
        f"Cannot tell: {gained}; but no rival was told what the task is. Say it in a sentence and run the same command"
        ' again, which measures the prompted arms anew: --task "…".'
    )
    reasons = (REASON, *verdict.reasons)
    return replace(verdict, recommendation="cannot_tell", sentence=sentence, reasons=reasons, why=WHY)
