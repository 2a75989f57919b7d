"""How sure a model is of an answer, and whether a person should see it: what a run certified, applied to what is
served.

The confidence is the same figure on which the run's threshold was chosen. The threshold holds for answers made as they
were made then: greedily, without a form or a penalty, by the same arm (with or without passages), with the same
instruction and the same passages. For every other answer there is no promise, and `escalate` is null.
"""

from __future__ import annotations

from dataclasses import replace

from postgrad.arm_kinds import retrieves
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.models.generation.generate import Completion
from postgrad.models.generation.logits import Steering
from postgrad.serving.inference.prepared import PreparedRequest, Served
from postgrad.serving.wire.responses import confidence


def certified(served: Served) -> JsonMapping | None:
    """What the run of a registered model certified for the arm that is asked here: `threshold` (None where it was for
    single fields alone), `target_accuracy`, `failure`, and `fields` with a threshold each or None. None where that was
    of other weights than these: another training, or another objective."""
    entry = served.entry
    found = entry.details.get("automation") if entry else None
    if entry is None or not found or (found.get("threshold") is None and not found.get("fields")):
        return None
    if found.get("blob", entry.blob) != entry.blob:
        return None
    return found if retrieves(str(found["arm"])) == served.grounded else None


def _certified_for(prepared: PreparedRequest) -> JsonMapping | None:
    """The same, where this answer is made as those were that it was certified on."""
    plain = replace(prepared.steering, alternatives=0) == Steering()
    asked = prepared.as_evaluated and prepared.decoding.temperature == 0 and not prepared.decoding.stop
    return certified(prepared.served) if plain and asked else None


def _below(completion: Completion, threshold: float | None) -> bool:
    """Whether a person should see it: an answer that was cut at the limit however sure the model was of its start."""
    return completion.finish != "stop" or threshold is None or confidence(completion) < threshold


def escalate(prepared: PreparedRequest, completion: Completion) -> bool | None:
    """Whether a person should see the answer; None where nothing was certified for answers made like this one."""
    found = _certified_for(prepared)
    if found is None or found.get("threshold") is None:
        return None
    return _below(completion, found["threshold"])


def review(prepared: PreparedRequest, completion: Completion) -> list[str] | None:
    """Which fields of the answer, an object, a person should see; None where none was certified for such answers."""
    found = _certified_for(prepared)
    if found is None or not found.get("fields"):
        return None
    if escalate(prepared, completion) is False:
        return []
    return [name for name, threshold in found["fields"].items() if _below(completion, threshold)]


def confidence_fields(prepared: PreparedRequest, completion: Completion) -> JsonObject:
    """The choice's `postgrad` object: `confidence` (0 to 1), `escalate`, and `review` where fields were certified."""
    fields = review(prepared, completion)
    known: JsonObject = {"confidence": confidence(completion), "escalate": escalate(prepared, completion)}
    return known if fields is None else {**known, "review": fields}


def in_words(prepared: PreparedRequest, completion: Completion) -> str:
    """One line below an answer in the terminal."""
    found, sure = certified(prepared.served), f"confidence {confidence(completion):.2f}"
    person, fields = escalate(prepared, completion), review(prepared, completion)
    said = [sure]
    if found is not None and person is not None:
        what = "a person should review it" if person else "can be sent without human review"
        if person and completion.finish != "stop":
            said.append(f"cut at the limit: {what}")
        else:
            side = "below" if person else "at or above"
            wanted = f"{100 * found['target_accuracy']:.0f} % right"
            said.append(f"{side} the threshold {found['threshold']:.2f} for {wanted}: {what}")
    if fields is not None and person is not False:
        said.append(f"to review: {', '.join(fields)}" if fields else "no field needs a review")
    return ", ".join(said)
