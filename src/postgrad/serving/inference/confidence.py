"""How sure a model is of an answer, and whether a person should see it: what a run certified, applied to what is
served.

The confidence is the same figure on which the run's threshold was chosen. The threshold holds for answers made as they
were made then: greedily, without a form or a penalty, by the same arm (with or without passages), with the same
instruction and the same passages. For every other answer there is no promise, and `escalate` is null.
"""

from __future__ import annotations

from dataclasses import replace

from postgrad.arm_kinds import retrieves
from postgrad.json_types import JsonMapping
from postgrad.models.generation.generate import Completion
from postgrad.models.generation.logits import Steering
from postgrad.serving.inference.engine import PreparedRequest, Served
from postgrad.serving.wire.responses import confidence


def certified(served: Served) -> JsonMapping | None:
    """What the run of a registered model certified for the arm that is asked here: `threshold`, `target_accuracy`,
    `failure`. None where that was of other weights than these: another training, or another objective."""
    entry = served.entry
    found = entry.details.get("automation") if entry else None
    if entry is None or not found or found.get("threshold") is None:
        return None
    if found.get("blob", entry.blob) != entry.blob:
        return None
    return found if retrieves(str(found["arm"])) == served.grounded else None


def escalate(prepared: PreparedRequest, completion: Completion) -> bool | None:
    """Whether a person should see the answer; None where nothing was certified for answers made like this one.

    An answer that was cut at the limit of tokens goes to a person however sure the model was of its beginning.
    """
    found = certified(prepared.served)
    plain = replace(prepared.steering, alternatives=0) == Steering()
    asked = prepared.as_evaluated and prepared.decoding.temperature == 0 and not prepared.decoding.stop
    if found is None or not plain or not asked:
        return None
    return completion.finish != "stop" or confidence(completion) < found["threshold"]


def confidence_fields(prepared: PreparedRequest, completion: Completion) -> dict[str, float | bool | None]:
    """The choice's `postgrad` object: `confidence` from 0 to 1, and `escalate`."""
    return {"confidence": confidence(completion), "escalate": escalate(prepared, completion)}


def in_words(prepared: PreparedRequest, completion: Completion) -> str:
    """One line below an answer in the terminal."""
    found, sure = certified(prepared.served), f"confidence {confidence(completion):.2f}"
    person = escalate(prepared, completion)
    if found is None or person is None:
        return sure
    what = "a person should review it" if person else "can be sent without human review"
    if person and completion.finish != "stop":
        return f"{sure}, cut at the limit: {what}"
    side = "below" if person else "at or above"
    return (
        f"{sure}, {side} the threshold {found['threshold']:.2f} for {100 * found['target_accuracy']:.0f} % right:"
        f" {what}"
    )
