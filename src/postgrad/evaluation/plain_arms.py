"""Ways to do the task that need no language model: copying the nearest example's answer, a linear classifier on
embeddings, a part of the request itself. They cost nothing, and often do; what does not beat them has learned little.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from postgrad.evaluation.arms import Arm, own_prompt
from postgrad.evaluation.metrics.support.fields import reference_of
from postgrad.evaluation.metrics.support.normal import plain
from postgrad.models.embeddings import embed
from postgrad.models.generation.decoding import Completion
from postgrad.records import Record
from postgrad.similarity.classifier import FIT_ON, Linear, fit

PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Tried on the validation part, where there is one."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how sure it is, from 0 to 1."""

    text: str
    confidence: float


Replies = Callable[[Sequence[Record]], list[Reply]]
"""Answers to many records at once; of a record only the request is read."""


def replied(reply: Replies, records: Sequence[Record]) -> list[Completion]:
    """The answers as those of a model: no tokens, and each its share of the time."""
    start = time.perf_counter()
    found = reply(records)
    seconds = (time.perf_counter() - start) / max(1, len(records))
    return [Completion(r.text, "stop", 0, 0, math.log(max(r.confidence, 1e-9)), seconds) for r in found]


def constant(answer: str) -> Arm:
    """One answer to everything."""
    return _arm(f"Always answers {_shown(answer)}.", lambda records: [Reply(answer, 1.0)] * len(records))


def nearest(train: Sequence[Record]) -> Arm:
    """The answer of the training example whose request is most alike, by static embeddings."""
    vectors, answers = embed([r.prompt_text for r in train]), [reference_of(r) for r in train]

    def reply(records: Sequence[Record]) -> list[Reply]:
        likeness = embed([r.prompt_text for r in records]) @ vectors.T
        best = likeness.argmax(axis=1)
        return [Reply(answers[i], float(np.clip(row[i], 0, 1))) for i, row in zip(best, likeness, strict=True)]

    return _arm(f"Copies the answer of the most similar of {len(train)} training examples.", reply)


def classifier(train: Sequence[Record], validation: Sequence[Record]) -> Arm:
    """A linear classifier on static embeddings of the requests; its penalty is the one that does best on validation."""
    spelling: dict[str, str] = {}
    for record in train:
        spelling.setdefault(plain(reference_of(record)), reference_of(record))
    order = sorted(spelling)
    number = {label: i for i, label in enumerate(order)}
    shown = train[:: -(-len(train) // FIT_ON)]
    points = embed([r.prompt_text for r in shown])
    classes = np.array([number[plain(reference_of(r))] for r in shown])
    found = max(
        (fit(points, classes, len(order), rounds=100, penalty=penalty) for penalty in PENALTIES),
        key=lambda one: _right(one, validation, number),
    )

    def reply(records: Sequence[Record]) -> list[Reply]:
        chances = found.probabilities(embed([r.prompt_text for r in records]))
        return [Reply(spelling[order[int(row.argmax())]], float(row.max())) for row in chances]

    return _arm(f"A linear classifier of {len(order)} labels on embeddings of {len(shown)} training requests.", reply)


def _right(one: Linear, validation: Sequence[Record], number: dict[str, int]) -> int:
    """How many validation examples it gets right."""
    if not validation:
        return 0
    guesses = one.probabilities(embed([r.prompt_text for r in validation])).argmax(axis=1)
    return sum(number.get(plain(reference_of(r))) == guess for r, guess in zip(validation, guesses, strict=True))


def echo() -> Arm:
    """The request itself."""
    return _arm("Repeats the request.", lambda records: [Reply(r.prompt_text, 1.0) for r in records])


def first_sentence() -> Arm:
    """The first sentence of the request."""
    return _arm("The first sentence of the request.", lambda records: [Reply(_first(r), 1.0) for r in records])


def _first(record: Record) -> str:
    """Up to the first full stop, question or exclamation mark that a blank or the end follows."""
    text = record.prompt_text.strip()
    ends = [i + 1 for i, c in enumerate(text) if c in ".?!。？！" and (i + 1 == len(text) or text[i + 1].isspace())]
    return text[: ends[0]] if ends else text.partition("\n")[0]


def _arm(note: str, reply: Replies) -> Arm:
    return Arm("", False, own_prompt, note, reply=functools.partial(replied, reply))


def _shown(answer: str) -> str:
    return repr(answer if len(answer) <= 60 else answer[:57] + "…")
