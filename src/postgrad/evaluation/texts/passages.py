"""Raw text as questions: a passage of it is a beginning, and what stands there next is the answer that is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.models.rendering.render import Renderer
from postgrad.records import Conversation, Message, Text

WHOLE = 1000
"""Characters of a passage, about 250 tokens of English; fewer where the model's context is small."""
BEGINNING = 0.6
"""Of a passage that it begins with; the rest is what comes next."""
FEWEST = 0.16
"""Of a passage: shorter documents have no beginning that says where they go."""
IN_CONTEXT = 1 / 3
"""Of the context that a passage takes at most."""
DOCUMENT = "document"
"""Where a question's metadata says which document it is of."""
_NEAR = 40
"""A cut is moved to a blank that is at most so many characters away; where a language has none, it stays."""


@dataclass(frozen=True)
class Passages:
    """Questions of texts, in order.

    Attributes:
        size: Characters of each, about.
        short: Documents that are too short for one.
    """

    questions: tuple[Conversation, ...]
    size: int
    short: int


def size_for(renderer: Renderer, texts: Sequence[Text]) -> int:
    """Characters of a passage that a model has room for, with another one or two before it."""
    sample = "".join(t.text[: 4 * WHOLE] for t in texts[:20])
    tokens = max(1, renderer.count(sample)) / max(1, len(sample))
    return min(WHOLE, max(1, int(IN_CONTEXT * renderer.context / tokens)))


def passages_of(texts: Sequence[Text], size: int = WHOLE) -> Passages:
    """Passages that follow each other without overlap; a document shorter than one is a passage of its own."""
    out: list[Conversation] = []
    short = 0
    for text in texts:
        found = _cut(text, size)
        short += not found
        out += found
    return Passages(tuple(out), size, short)


def spread_over(passages: Sequence[Conversation], count: int) -> list[Conversation]:
    """At most so many of them, evenly over the whole."""
    if len(passages) <= count:
        return list(passages)
    return [passages[i * len(passages) // count] for i in range(count)]


def _cut(text: Text, size: int) -> list[Conversation]:
    words = text.text.strip()
    if len(words) < FEWEST * size:
        return []
    if len(words) < size:
        return [_passage(text, words, 0, round(len(words) * BEGINNING), len(words))]
    out: list[Conversation] = []
    at = 0
    while len(words) - at >= (1 + BEGINNING) / 2 * size:
        end = _blank_near(words, at + size)
        out.append(_passage(text, words, at, at + round(BEGINNING * size), end))
        at = end
    return out


def _passage(text: Text, words: str, start: int, middle: int, end: int) -> Conversation:
    """With the blank between them at the front of what follows, as tokenizers have it."""
    middle = _blank_near(words, middle)
    name = f"{text.source.file}:{text.source.line}"
    return Conversation(
        messages=(Message("text", words[start:middle].lstrip()), Message("assistant", words[middle:end].rstrip())),
        source=text.source,
        meta={DOCUMENT: name},
    )


def _blank_near(words: str, place: int) -> int:
    """The first blank at or after a place; the place itself where there is none near."""
    for at in range(place, min(len(words), place + _NEAR)):
        if words[at].isspace():
            return at
    return min(place, len(words))
