"""An untrained arm whose answers are cut at the limit: a few of them are given more room, to see whether the limit
hides what it knows. Where it does not, the cut answers count as what they are, wrong.
"""

from __future__ import annotations

from dataclasses import replace

from postgrad.evaluation.measure import Measuring, PreparedArm, measure
from postgrad.evaluation.metrics.support.choose import MetricChoice
from postgrad.measures import ArmResult
from postgrad.progress import Working

MANY = 0.2
"""A smaller share of answers cut at the limit is not looked at."""
ASKED = 12
"""Cut answers that are asked for again."""
WIDER = 4
"""So many times the room is given them, up to what the context has."""
MOST_TOKENS = 1024
HIDES = 0.1
"""So many of them right, and the limit hides what the arm knows."""


def second_chance(how: Measuring, asked: PreparedArm, result: ArmResult, choice: MetricChoice) -> Working[ArmResult]:
    """The result, without its cut answers among the faults of form where more room helps hardly any of them.

    Raises:
        Interrupted: the job was stopped; the answers until then are kept.
    """
    cut = result.form.cut
    if result.held or len(cut) <= MANY * len(result.scores):
        return replace(result, form=replace(result.form, cut=()))
    places = cut[:: -(-len(cut) // ASKED)]
    again = replace(
        asked,
        records=[asked.records[i] for i in places],
        messages=[asked.messages[i] for i in places],
        ids=[asked.ids[i] for i in places],
    )
    free = how.model.base.context - max(map(len, again.ids))
    room = min(WIDER * how.decoding.max_new_tokens, MOST_TOKENS, free)
    found = yield from measure(how.with_room(room), again, choice)
    right = sum(score >= 0.5 for score in found.scores)
    note = (
        f"{len(cut)} of {len(result.scores)} answers were cut at {how.decoding.max_new_tokens} tokens; {len(places)} of"
        f" them, given {room}, got {right} right."
    )
    hides = right > HIDES * len(places)
    form = result.form if hides else replace(result.form, cut=())
    return replace(result, form=form, note=f"{result.note} {note}".strip())
