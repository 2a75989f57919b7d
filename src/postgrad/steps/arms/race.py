"""Measuring the untrained arms where time is short: in batches, and an arm that cannot win any more is stopped.

The rule is `evaluation.sequential`; here arms are asked. Answers are kept as ever, so that an interrupted race goes on
and an arm that stays in is never asked the same twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from postgrad.decision.form_guard import if_form_kept
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.statistics.sequential import beaten, looks, shuffled
from postgrad.measures import ArmResult
from postgrad.progress import Said, Working
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples

Measure = Callable[[Examples, Sequence[Arm]], Working[list[ArmResult]]]
"""Measures arms on the test part of the examples given."""


def race(
    ctx: RunContext, sequential: bool | None, examples: Examples, arms: Sequence[Arm], measure: Measure
) -> Working[list[ArmResult]]:
    """Every arm on the whole test part, except those that were stopped on the way; in the order given.

    Without a wish for speed (`evaluation.sequential`, or a time limit), with one arm or with a small test part, this is
    `measure` itself.
    """
    size = len(examples.test)
    wanted = ctx.clock.limited if sequential is None else sequential
    if not wanted or len(arms) < 2 or not looks(size):
        return (yield from measure(examples, arms))
    order, running = shuffled(size, ctx.seed), list(arms)
    stopped: dict[str, ArmResult] = {}
    yield Said(
        f"Arms answer {', '.join(map(str, looks(size)))} and then all {size} examples; one that cannot win any more is"
        " stopped."
    )
    for look in looks(size):
        places = tuple(sorted(order[:look]))
        part = examples.at(places)
        results = yield from quietly(measure(part, running))
        for loser in beaten(
            {r.name: if_form_kept(r).scores for r in results}, part.groups, look, size, len(arms), ctx.seed
        ):
            result = next(r for r in results if r.name == loser.arm)
            told = f"stopped after {look} of {size} examples: could not win any more against {loser.beaten_by}"
            yield Said(f"{loser.arm}: {told} ({100 * result.score.value:.1f} %).")
            note = f"{result.note} {told[:1].upper()}{told[1:]}.".strip()
            stopped[loser.arm] = replace(result, places=places, note=note)
            running = [arm for arm in running if arm.name != loser.arm]
        if len(running) == 1:
            break
    finished = yield from measure(examples, running)
    whole = {r.name: r for r in finished} | stopped
    return [whole[arm.name] for arm in arms]


def quietly(work: Working[list[ArmResult]]) -> Working[list[ArmResult]]:
    """The same work without its remarks on single arms, which are for a whole test part; warnings come through."""
    while True:
        try:
            event = next(work)
        except StopIteration as done:
            return done.value
        if not isinstance(event, Said) or event.warning:
            yield event
