"""Requests as hurried people type them: slips of the finger, careless capitals, missing marks. The answer stays
untouched.

What the answer depends on is never altered: numbers, addresses, code, names in capitals, and every word that the answer
holds too. So a model learns to read through noise, and never to answer something that was not written.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from postgrad.answers import parse_json
from postgrad.data.augment.method import Proposal, Refused, Teacher, request_of, with_request
from postgrad.data.split.synthetic import MARK, mark
from postgrad.progress import Progress, Working
from postgrad.records import Record, content_hash
from postgrad.similarity.near_duplicates import exact_key

SHARE = 0.08
"""Of the words that may be altered so many get a slip; at least one."""
_PROTECTED = re.compile(
    r"```.*?```|`[^`]+`|https?://\S+|www\.\S+|\S+@\S+|\S*\d\S*|\S*[_/\\{}<>=$#%&|()\[\]]\S*"
    r"|\b[a-z]+[A-Z]\w*|\b[A-Z]{2,}\w*",
    re.DOTALL,
)
_WORD = re.compile(r"[^\W\d_]{4,}")
_ANY_WORD = re.compile(r"\w+")
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_TRIES = 8


def _neighbours() -> dict[str, str]:
    """The keys beside each letter on a QWERTY board."""
    out: dict[str, str] = {}
    for y, row in enumerate(_ROWS):
        for x, letter in enumerate(row):
            near = [row[i] for i in (x - 1, x + 1) if 0 <= i < len(row)]
            near += [other[x] for other in _ROWS[max(0, y - 1) : y + 2] if other != row and x < len(other)]
            out[letter] = "".join(near)
    return out


_NEAR = _neighbours()


def noise(
    records: Sequence[Record], times: int, seed: int, ask: Teacher | None = None, teacher: str | None = None
) -> Working[list[Proposal | Refused]]:
    """Each record `times` times with another noise; the same seed makes the same noise, whatever the other records
    are."""
    out: list[Proposal | Refused] = []
    for index, record in enumerate(records):
        text = request_of(record)
        for copy in range(times):
            rng = random.Random(f"{seed}:{copy}:{content_hash(record)}")
            changed = noisy(text, record.answer_text, rng) if text else None
            if changed is None:
                out.append(
                    Refused(
                        "nothing_to_alter", "every word is a name, a number or part of the answer", (index,), record
                    )
                )
            else:
                meta = {MARK: mark("noise", [record])}
                out.append(Proposal(with_request(record, changed, meta), (index,)))
        if index % 100 == 99 or index + 1 == len(records):
            yield Progress(index + 1, len(records), "records")
    return out


def noisy(text: str, answer: str, rng: random.Random) -> str | None:
    """The text with one or two kinds of noise; None where nothing may be altered."""
    kinds: list[Callable[[str, set[int], random.Random], str]] = [slips, slips, slips, _case, _marks]
    for _ in range(_TRIES):
        changed = text
        for kind in rng.sample(kinds, rng.choice((1, 2))):
            changed = kind(changed, protected(changed, answer), rng)
        if exact_key(changed) not in (exact_key(text), ""):  # other capitals alone would count as a repetition
            return changed
    return None


def protected(text: str, answer: str) -> set[int]:
    """The places of all letters that must stay as they are."""
    places: set[int] = set()
    for found in _PROTECTED.finditer(text):
        places.update(range(*found.span()))
    words = {w.casefold() for w in _ANY_WORD.findall(answer) if len(w) > 1}
    for found in _ANY_WORD.finditer(text):
        if found[0].casefold() in words:
            places.update(range(*found.span()))
    for value in answer_values(answer):
        for found in re.finditer(re.escape(value), text, re.IGNORECASE):
            places.update(range(*found.span()))
    return places


def answer_values(answer: str) -> Iterator[str]:
    """The texts in a JSON answer, or the answer itself."""
    waiting: list[Any] = [answer if (parsed := parse_json(answer)) is None else parsed]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and value.strip():
            yield value.strip()


def slips(text: str, kept: set[int], rng: random.Random) -> str:
    """A neighbouring key, a dropped, a doubled or two exchanged letters, inside some words; never the first letter."""
    free = [m for m in _WORD.finditer(text) if not kept & set(range(*m.span()))]
    if not free:
        return text
    chosen = rng.sample(free, min(len(free), max(1, round(SHARE * len(free)))))
    for word in sorted(chosen, key=lambda m: -m.start()):
        at = rng.randrange(word.start() + 1, word.end())
        letter, before = text[at], text[at - 1]
        near = _NEAR.get(letter.lower(), letter)
        near = rng.choice(near.upper() if letter.isupper() else near)
        swapped = letter + before if at - 1 > word.start() else before + near
        new = rng.choice((before + near, before + near, before, before + letter * 2, swapped))
        text = text[: at - 1] + new + text[at + 1 :]
    return text


def _case(text: str, kept: set[int], rng: random.Random) -> str:
    """All small, no capital at the beginning, or one word shouted."""
    how = rng.choice(("small", "small", "start", "shout"))
    if how == "shout":
        free = [m for m in _WORD.finditer(text) if not kept & set(range(*m.span()))]
        spans = [rng.choice(free).span()] if free else []
        return "".join(c.upper() if any(a <= i < b for a, b in spans) else c for i, c in enumerate(text))
    last = 1 if how == "start" else len(text)
    return "".join(c.lower() if i < last and i not in kept else c for i, c in enumerate(text))


def _marks(text: str, kept: set[int], rng: random.Random) -> str:
    """Without the final mark, or without the commas and apostrophes."""
    if rng.random() < 0.6:
        end = len(text.rstrip())
        return text[: end - 1] if end and text[end - 1] in ".?!" and end - 1 not in kept else text
    return "".join(c for i, c in enumerate(text) if c not in ",'’;" or i in kept)
