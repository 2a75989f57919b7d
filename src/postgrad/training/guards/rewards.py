"""Guards over rewards: that there is something to learn from, that the grader grades, and that a better reward means
better answers."""

from __future__ import annotations

import itertools
import math

from postgrad.training.guards.alarm import Alarm, Level, Seen, Series, apart, level

STEPS, GROUPS = 10, 80
"""Nothing varies where in so many steps, and in so many groups of answers, no two rewards differed."""
NEAR, FAULTY = 5, 0.9
"""The grader is broken where this share of its gradings failed in so many steps."""
WINDOW = 10
"""Steps whose mean reward is compared."""
CLEARLY = 3.0
"""Standard errors by which rewards differ that are said to differ."""
HELD_OUT = ("eval_held_out", "eval_reward")
"""What tells of hacking: a measure of its own where there is one, else the reward on prompts that are not trained
on."""


def no_variance(seen: Seen) -> Alarm | None:
    """Groups whose answers all get the same reward, step after step."""
    equal = seen.of("frac_reward_zero_std")
    steps = next((n for n, (_, share) in enumerate(reversed(equal)) if share < 1), len(equal))
    if steps < STEPS or steps * seen.batch_size < GROUPS:
        return None
    now = equal[-1][0]
    rewards = level(seen.of("reward")[-steps:])
    return Alarm(
        "no_variance",
        now,
        f"In the last {steps} steps ({steps * seen.batch_size} groups) all answers to a prompt got the same reward"
        f" ({rewards.mean:.2f} in the mean), so nothing is learned: the task is too hard or too easy for the model, or"
        " the grader tells too little apart. Take other prompts, a grader with more steps, or more training.samples.",
    )


def grader_faults(seen: Seen) -> Alarm | None:
    """Gradings that fail: rewards of 0 that say nothing of the answers."""
    faults = seen.of("grader_faults")[-NEAR:]
    if len(faults) < NEAR or (now := level(faults)).mean < FAULTY:
        return None
    return Alarm(
        "grader_faults",
        now.last,
        f"The grading of {100 * now.mean:.0f} % of the answers failed in {now.steps}; they got the reward 0. Mend the"
        " grader; `grader_faults` has the share of every step.",
    )


def hacking(seen: Seen) -> Alarm | None:
    """The reward of the training rises while what is held out falls: the model learns to please the grader, or the
    training prompts, and not the task."""
    for name in HELD_OUT:
        if held := seen.of(name):
            return _hacking(seen, name, held)
    return None


def _hacking(seen: Seen, name: str, held: Series) -> Alarm | None:
    """Compares the last two validations with the best two neighbours before them."""
    errors, rewards = seen.of(f"{name}_error"), seen.of("reward")
    start = [(0, seen.start[name])] if name in seen.start else []
    measured = [*start, *held]
    if len(measured) < 3 or not errors or len(rewards) < 2 * WINDOW or held[-1][0] < rewards[-1][0]:
        return None  # it is judged when it is new
    *earlier, second, last = measured
    error = max(value for _, value in errors[-2:])
    pairs = list(itertools.pairwise(earlier)) or [earlier]
    best = max((_measured(pair, error) for pair in pairs), key=lambda found: found.mean)
    now = _measured([second, last], error)
    until = [point for point in rewards[:-WINDOW] if point[0] <= best.last][-WINDOW:]
    before = level(until if len(until) >= WINDOW // 2 else rewards[:WINDOW])
    trained = level(rewards[-WINDOW:])
    if apart(best, now) > -CLEARLY or apart(before, trained) < CLEARLY:
        return None
    what = "the reward on validation" if name == "eval_reward" else "the held-out metric"
    return Alarm(
        "hacking",
        now.last,
        f"The reward in training rose from {before.mean:.3f} ({before.steps}) to {trained.mean:.3f} ({trained.steps})"
        f" while {what} fell from {best.mean:.3f} ({best.steps}) to {now.mean:.3f} ({now.steps}): the model learns to"
        " please the grader and not to do the task. Look at its answers, mend the grader, or raise training.beta.",
    )


def _measured(points: Series, error: float) -> Level:
    """The mean of validations with the standard error that each of them has."""
    found = level(points)
    return Level(found.mean, error / math.sqrt(len(points)), found.first, found.last)
