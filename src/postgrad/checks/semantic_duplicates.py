"""The same request in other words: neither wrong nor a repeat, but less new to learn than the number of records says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from postgrad.answers import answer_kind
from postgrad.checks.space import close_pairs, vectors
from postgrad.checks.wording import count_of, place, quote, verb
from postgrad.findings import Check, Context, Finding
from postgrad.records import Record
from postgrad.similarity import DEFAULT_THRESHOLD, exact_keys, similarity
from postgrad.templates import differ_in_facts


def semantic_duplicates(*, threshold: float = 0.9, answer_threshold: float = 0.9, min_words: int = 4) -> Check:
    """Finds pairs of requests whose embeddings nearly agree, whose numbers, names and answers agree, and whose words do not.

    Nothing is repaired: paraphrases are wanted in training. Only too many of them are worth knowing of.

    Args:
        threshold: Cosine from which two requests count as saying the same.
        answer_threshold: Cosine for free-text answers; labels and JSON must be equal.
        min_words: Shorter requests are left out, because one word decides their meaning.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        texts = [r.prompt_text for r in records]
        answers = exact_keys([r.answer_text for r in records])
        strict = answer_kind([r.answer_text for r in records]) != "text"
        found: dict[int, tuple[int, float]] = {}
        for first, second, score in close_pairs(vectors(texts), threshold):
            if not answers[first] or min(len(texts[first].split()), len(texts[second].split())) < min_words:
                continue
            same = answers[first] == answers[second] or (
                not strict and _cosine(records[first], records[second]) >= answer_threshold
            )
            if same and _other_words(texts[first], texts[second]) and score > found.get(second, (0, 0.0))[1]:
                found[second] = (first, score)
        if not found:
            return
        ranked = sorted(found.items(), key=lambda item: (-item[1][1], item[0]))
        yield Finding(
            check="semantic_duplicates",
            severity="info",
            sentence=f"{count_of(len(found), 'record')} {verb(len(found), 'seems', 'seem')} to ask the same as another one "
            "in other words, with the same answer.",
            indices=tuple(index for index, _ in ranked),
            evidence=tuple(
                f"{score:.2f} like {place(records[o].source)}: {quote(texts[i], 50)} / {quote(texts[o], 50)}"
                for i, (o, score) in ranked
            ),
            details={"count": len(found), "threshold": threshold},
        )

    return check


def _cosine(first: Record, second: Record) -> float:
    left, right = np.asarray(vectors((first.answer_text, second.answer_text)), dtype=np.float32)
    return float(left @ right)


def _other_words(first: str, second: str) -> bool:
    """Neither a near-duplicate by its letters (that is another check's) nor a template filled in differently."""
    return not differ_in_facts(first, second) and similarity(first, second) < DEFAULT_THRESHOLD
