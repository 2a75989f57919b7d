"""An arm of the tests' own: what one file must hold for a run to measure it, its maker."""

from dataclasses import replace

from postgrad.evaluation.arms import Arm, own_prompt
from postgrad.progress import Working
from postgrad.records import Message, Record
from postgrad.steps.arms.making import Making


def shouted(making: Making) -> Working[Arm | str]:
    """The base model, asked in capitals; not where there is little to learn from."""
    yield from ()
    if len(making.examples.train) < 20:
        return "fewer than 20 examples tell nothing"

    def ask(record: Record) -> tuple[Message, ...]:
        return tuple(replace(m, content=m.content.upper()) for m in own_prompt(record))

    return Arm("", False, ask, "The request in capitals.")
