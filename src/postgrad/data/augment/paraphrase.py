"""The same request in other words, by a teacher; the answer stays. Every copy is asked for in another manner of
speaking."""

from __future__ import annotations

import random
from collections.abc import Sequence

from postgrad.data.augment.method import Proposal, Refused, Teacher, request_of, with_request
from postgrad.data.split.synthetic import MARK, mark
from postgrad.errors import UsageError
from postgrad.progress import Working
from postgrad.records import Message, Record, content_hash

_MANNERS = (
    "in everyday words",
    "more briefly",
    "in a hurry, as in a chat",
    "politely and in full sentences",
    "beginning with another word",
    "with the parts in another order",
    "as somebody who explains the background first",
    "as a question",
    "with other verbs",
)
_WISH = (
    "Rewrite the message below {manner}. It must ask for exactly the same thing. Keep every name, number, date and code"
    " as it is written. Do not answer the message. Write only the new message.\n\nMessage: {text}"
)


def paraphrase(
    records: Sequence[Record], times: int, seed: int, ask: Teacher | None, teacher: str | None
) -> Working[list[Proposal | Refused]]:
    """Each record's request `times` times in other words.

    Raises:
        UsageError: no teacher.
    """
    if ask is None:
        raise UsageError("Paraphrases need a teacher.", "Name one: --teacher URL#MODEL, or a local model")
    places, prompts = [], []
    out: list[Proposal | Refused] = []
    for index, record in enumerate(records):
        text = request_of(record)
        if not text:
            out.append(Refused("nothing_to_alter", "there is no request to rewrite", (index,), record))
            continue
        manners = list(_MANNERS)
        random.Random(f"{seed}:{content_hash(record)}").shuffle(manners)
        for copy in range(times):
            wish = _WISH.format(manner=manners[copy % len(manners)], text=text)
            places.append(index)
            prompts.append((Message("user", wish),))
    answers = yield from ask(prompts)
    for index, answer in zip(places, answers, strict=True):
        record = records[index]
        if answer is None:
            out.append(Refused("budget", "the budget was spent before this one", (index,)))
            continue
        text = answer.strip().removeprefix("Message:").strip().strip('"“”').strip()
        meta = {MARK: mark("paraphrase", [record], teacher)}
        out.append(Proposal(with_request(record, text, meta), (index,)))
    return out
