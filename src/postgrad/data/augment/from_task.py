"""First examples from a description alone, for who has none: a teacher writes them, each of another matter."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

from postgrad.data.augment.from_documents import GENERATED, object_in
from postgrad.data.augment.method import Proposal, Refused
from postgrad.records import Message, pair

_SHOWN = 4
_MANNERS = (
    "in a hurry",
    "politely",
    "at length",
    "in two words",
    "with a spelling mistake",
    "annoyed",
    "for the second time",
    "as somebody who knows the matter well",
    "as somebody who does not know the words for it",
    "with a number or a name in it",
    "in a case that is hard to decide",
    "in an unusual case",
    "with two things at once",
    "plainly",
)
_WISH = (
    "A task: {task}\n\n{seen}Write one example of this task as it comes in real life, asked {manner}: a request, and"
    " its right answer{labels}. Write only one JSON object with the keys request and answer."
)


def wish(task: str, seen: Sequence[Proposal], labels: Sequence[str], number: int, seed: int) -> tuple[Message, ...]:
    """What a teacher is asked for one example.

    Args:
        task: The description.
        seen: Examples that are there already; some of them are shown, to be differed from.
        labels: The only answers allowed; empty for free ones. Each is asked for in turn.
        number: Which example this is.
        seed: Of what is shown.
    """
    rng = random.Random(f"{seed}:{number}")
    shown = rng.sample(list(seen), min(_SHOWN, len(seen)))
    lines = "".join(
        json.dumps({"request": p.record.prompt_text, "answer": p.record.answer_text}, ensure_ascii=False) + "\n"
        for p in shown
    )
    differ = f"These are there already; yours must be of another matter:\n{lines}\n" if shown else ""
    wanted = f", which must be {labels[number % len(labels)]!r}" if labels else ""
    manner = _MANNERS[number % len(_MANNERS)]
    return (Message("user", _WISH.format(task=task, seen=differ, manner=manner, labels=wanted)),)


def read(number: int, answer: str | None, labels: Sequence[str], teacher: str) -> Proposal | Refused:
    """What the teacher wrote.

    Args:
        number: Which example this is.
        answer: Of the teacher; None where the budget was spent.
        labels: The only answers allowed.
        teacher: Its name.
    """
    if answer is None:
        return Refused("budget", "the budget was spent before this one", (number,))
    made = object_in(answer)
    request, given = made.get("request"), made.get("answer")
    if not isinstance(request, str) or not request.strip() or given in (None, ""):
        return Refused("garbled", f"no object with request and answer: {answer[:120]!r}", (number,))
    said = given.strip() if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    record = pair(request.strip(), said, meta={GENERATED: {"method": "task", "teacher": teacher}})
    if labels and said not in labels:
        return Refused("unknown_label", f"{said[:60]!r} is none of {', '.join(labels)}", (number,), record)
    return Proposal(record, (number,))
