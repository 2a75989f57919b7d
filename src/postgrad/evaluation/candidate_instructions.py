"""Instructions to try, made by rule from the training part: shorter ones, ones with a reminder of the form or with
typical examples, each before the conversation or before the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from postgrad.answers import label_counts, parse_json
from postgrad.evaluation.written_prompt import write_system_prompt
from postgrad.models.embeddings import embed
from postgrad.records import Record, tools_of

InstructionPlace = Literal["system", "request"]
_LABELS = 30
_LETTERS = 160
_LISTED = 400


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction and where it stands.

    Attributes:
        name: What it is, for people.
        text: The instruction.
        place: As the system message, or in the request's own message before it.
        after: A reminder behind the request; empty for none.
    """

    name: str
    text: str
    place: InstructionPlace = "system"
    after: str = ""


def instructions(train: Sequence[Record], kind: str, system: str, own: bool) -> list[Instruction]:
    """All of them, the given one first.

    Args:
        train: Training records with answers.
        kind: `classification`, `extraction` or `generation`.
        system: The instruction of the other arms.
        own: Whether it is the user's; then the one written by rule is tried too.
    """
    answers = [r.answer_text for r in train if r.answer_text.strip()]
    texts = {"the instruction": system}
    if own:
        texts["an instruction by rule"] = write_system_prompt(train, kind)
    form = "" if any(tools_of(r) for r in train) else _form(answers, kind)
    if form:
        texts["a short instruction"] = _short(answers, kind)
        texts["the instruction with a reminder of the form"] = f"{system}\n\n{form}"
        texts["the instruction with typical examples"] = f"{system}\n\n{_typical(train, kind)}"
    made = [Instruction(name, text, place) for name, text in texts.items() for place in ("system", "request")]
    if form:
        made += [Instruction(name, texts[name], "system", form) for name in ("the instruction", "a short instruction")]
    return list({(i.text, i.place, i.after): i for i in reversed(made)}.values())[::-1]


def _short(answers: Sequence[str], kind: str) -> str:
    """The task in a sentence."""
    objects = [o for a in answers if isinstance(o := parse_json(a), dict)]
    if kind == "classification":
        return "Classify the message."
    if objects:
        keys = dict.fromkeys(str(key) for o in objects for key in o)
        return f"Fill in this JSON object for the message: {{{', '.join(keys)}}}"[:_LISTED]
    return "Answer the message."


def _form(answers: Sequence[str], kind: str) -> str:
    """What a right answer looks like, as a last reminder."""
    labels = label_counts(answers)
    if kind == "classification":
        listed = ", ".join(labels or ())
        named = f": {listed}" if labels and len(listed) <= _LISTED else ""
        return f"Answer with exactly one label{named}. No other word, no explanation."
    if any(isinstance(parse_json(a), dict) for a in answers[:20]):
        return "Answer with the JSON object alone: no code fence, no word before or after it."
    if kind == "extraction":
        return "Answer with the fact alone: no sentence, no explanation."
    return "Write the answer alone: no greeting, no explanation."


def _typical(train: Sequence[Record], kind: str) -> str:
    """For each label (or for the whole task) the message nearest to the middle of its like."""
    filled = [r for r in train if r.answer_text.strip()]
    vectors = embed([r.prompt_text for r in filled])
    if kind != "classification":
        record = filled[_middle(vectors, list(range(len(filled))))]
        return f"For example, to\n{_cut(record.prompt_text)}\nthe answer is\n{record.answer_text.strip()}"
    places: dict[str, list[int]] = {}
    for place, record in enumerate(filled):
        places.setdefault(record.answer_text.strip(), []).append(place)
    often = sorted(places, key=lambda label: (-len(places[label]), label))[:_LABELS]
    lines = [f'- {label}: such as "{_cut(filled[_middle(vectors, places[label])].prompt_text)}"' for label in often]
    return "What the labels are for:\n" + "\n".join(lines)


def _middle(vectors: np.ndarray, places: list[int]) -> int:
    own = vectors[places]
    return places[int(np.argmax(own @ own.mean(axis=0)))]


def _cut(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LETTERS else flat[:_LETTERS].rsplit(" ", 1)[0] + " …"
