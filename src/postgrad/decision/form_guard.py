"""Arms that fail by form: their scores tell how they write, not what they know. Nothing is recommended over such an arm
unless it is better even if all those answers are counted right. Policy without I/O.
"""

from __future__ import annotations

from dataclasses import replace

from postgrad.measures import ArmResult


def fails_by_form(arm: ArmResult) -> bool:
    """Whether more than a few of its answers are wrong for how they are written alone."""
    return bool(arm.fails_by_form)


def if_form_kept(arm: ArmResult) -> ArmResult:
    """The arm with those answers counted right, where it fails by form: the most that its knowledge can be worth."""
    if not fails_by_form(arm):
        return arm
    places = {*arm.form.hidden, *arm.form.cut}
    return replace(arm, scores=tuple(1.0 if i in places else s for i, s in enumerate(arm.scores)))
