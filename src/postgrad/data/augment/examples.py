"""New examples by a teacher, after a few of the user's own with the same answer or of the same kind."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace

from postgrad.answers import label_counts, parse_json
from postgrad.data.augment.method import Proposal, Refused, Teacher, request_of, with_request
from postgrad.data.split.synthetic import MARK, mark
from postgrad.errors import UsageError
from postgrad.progress import Working
from postgrad.records import Conversation, Message, Record, Task, content_hash

_SHOWN = 3
_WISH = (
    "Here are examples of one task, each with a request and its right answer:\n\n{examples}\n\nWrite one more example"
    " of the same task that differs from all of these in its matter.{label} Write only one JSON object with the keys"
    " request and answer."
)


def examples(
    records: Sequence[Record], times: int, seed: int, ask: Teacher | None, teacher: str | None
) -> Working[list[Proposal | Refused]]:
    """`times` new examples for each record, which is shown to the teacher first; labels keep their proportions.

    Raises:
        UsageError: no teacher.
    """
    if ask is None:
        raise UsageError("New examples need a teacher.", "Name one: --teacher URL#MODEL, or a local model")
    labels = label_counts([record.answer_text for record in records])
    alike: dict[str, list[int]] = {}
    usable = [i for i, r in enumerate(records) if request_of(r) and isinstance(r, Conversation | Task)]
    for index in usable:
        alike.setdefault(records[index].answer_text.strip() if labels else "", []).append(index)
    shown: list[tuple[int, ...]] = []
    prompts = []
    for index in usable:
        label = records[index].answer_text.strip() if labels else ""
        others = [i for i in alike[label] if i != index]
        for copy in range(times):
            rng = random.Random(f"{seed}:{copy}:{content_hash(records[index])}")
            chosen = (index, *rng.sample(others, min(_SHOWN - 1, len(others))))
            wanted = f" Its answer must be {label!r}." if label else ""
            prompts.append(
                (Message("user", _WISH.format(examples="\n".join(_line(records[i]) for i in chosen), label=wanted)),)
            )
            shown.append(chosen)
    answers = yield from ask(prompts)
    return [
        _read(records, chosen, answer, records[chosen[0]].answer_text.strip() if labels else None, teacher)
        for chosen, answer in zip(shown, answers, strict=True)
    ]


def _line(record: Record) -> str:
    return json.dumps({"request": request_of(record), "answer": record.answer_text}, ensure_ascii=False)


def _read(
    records: Sequence[Record], chosen: tuple[int, ...], answer: str | None, label: str | None, teacher: str | None
) -> Proposal | Refused:
    if answer is None:
        return Refused("budget", "the budget was spent before this one", chosen)
    start, end = answer.find("{"), answer.rfind("}")
    raw = parse_json(answer[start : end + 1]) if 0 <= start < end else None
    if not isinstance(raw, dict) or not isinstance(request := raw.get("request"), str) or "answer" not in raw:
        return Refused("garbled", f"no object with request and answer: {answer[:120]!r}", chosen)
    given = raw["answer"]
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    if label is not None and text.strip() != label:
        return Refused("wrong_label", f"the answer was {text[:60]!r}, expected {label!r}", chosen)
    first = records[chosen[0]]
    made = with_request(first, request.strip(), {MARK: mark("examples", [records[i] for i in chosen], teacher)})
    if isinstance(made, Task):
        return Proposal(replace(made, reference=text), chosen)
    if not isinstance(made, Conversation):
        return Refused("garbled", "only conversations and tasks have one answer", chosen)
    last = replace(made.messages[-1], content=text)
    # earlier turns belong to another matter; the instruction stays
    system = tuple(m for m in made.messages if m.role == "system")
    request = next(m for m in reversed(made.prompt) if m.role == "user")
    return Proposal(replace(made, messages=(*system, request, last)), chosen)
