"""How far a command is: counted from its outline, timed by its plan and later by its pace."""

from __future__ import annotations

import pytest

from postgrad.cli.support.course import Course
from postgrad.progress import Outline, Progress, Said, Stage
from postgrad.steps.course import course


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


PLAN = Outline({"data": 0.1, "arms": 0.4, "training": 0.5}, 10.0)


def test_without_an_outline_nothing_is_said():
    followed = Course()
    followed.see(Stage("arms", "Measuring"))
    assert followed.line() == ""


def test_by_the_plan_and_then_by_the_pace():
    clock = Clock()
    followed = Course(clock)
    followed.see(PLAN)
    followed.see(Stage("data", "Reading"))
    assert followed.line() == "stage 1 of 3, about 10 min left"
    clock.now += 60
    followed.see(Stage("arms", "Measuring"))
    assert followed.line() == "stage 2 of 3, about 9 min left"
    followed.see(Stage("training", "Training"))
    clock.now += 240  # half done in five minutes
    assert followed.line() == "stage 3 of 3, about 5 min left"
    followed.see(Progress(9, 10, "steps"))
    clock.now += 0
    line = followed.line()
    assert line.startswith("stage 3 of 3, about ") and int(line.split()[5]) < 4


def test_what_an_earlier_command_has_done_shortens_it():
    clock = Clock()
    followed = Course(clock)
    followed.see(PLAN)
    for name in ("data", "arms"):
        followed.see(Stage(name, name))
        clock.now += 1
    followed.see(Stage("training", "Training"))
    followed.see(Progress(8, 10, "steps"))
    assert int(followed.line().split()[5]) < 5, "at this pace it ends long before the plan"


def test_a_stage_that_is_not_in_the_outline_changes_nothing():
    followed = Course(Clock())
    followed.see(PLAN)
    followed.see(Stage("arms", "Measuring"))
    followed.see(Stage("parity", "Holding it"))
    followed.see(Said("x"))
    assert followed.line().startswith("stage 2 of 3")


def test_the_same_story_of_another_base_begins_anew():
    clock = Clock()
    followed = Course(clock)
    for _ in range(2):
        followed.see(PLAN)
        followed.see(Stage("data", "Reading"))
        assert followed.line() == "stage 1 of 3, about 10 min left"
        clock.now += 300
        followed.see(Stage("training", "Training"))


@pytest.mark.parametrize(
    ("wishes", "absent"),
    [
        ({"trains": False}, {"training", "fine_tuned", "curve", "general", "forgetting"}),
        ({"general": False}, {"general", "forgetting"}),
        ({"curve": False}, {"curve"}),
        ({"must_pass": False}, {"must_pass"}),
    ],
)
def test_the_outline_of_a_run(wishes, absent):
    usual = {"trains": True, "general": True, "disturbed": True, "must_pass": True, "curve": True}
    whole, part = course(9.0, **usual), course(9.0, **{**usual, **wishes})
    assert set(whole.shares) - set(part.shares) == absent
    assert sum(whole.shares.values()) == pytest.approx(1.0)
