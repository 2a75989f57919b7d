"""The same request in other words: neither wrong nor a repeat, but less new to learn than the number of records
says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from postgrad.answers import answer_kind
from postgrad.checks.support.embedding_space import close_pairs, vectors
from postgrad.checks.support.own_checks import refuse_lower
from postgrad.checks.support.phrases import count_of, place, quote, verb
from postgrad.findings import Check, Context, Finding, check_factory
from postgrad.models.embeddings import embed
from postgrad.records import Record
from postgrad.similarity.near_duplicates import DEFAULT_THRESHOLD, exact_keys, similarity
from postgrad.similarity.templates import differ_in_facts

_WORD = re.compile(r"\w+")


@check_factory(
    harm=16,
    advice="Check whether these say the same in other words; then keep the better one.",
)
def semantic_duplicates(*, threshold: float = 0.9, answer_threshold: float = 0.9, min_words: int = 4) -> Check:
    """Finds pairs of requests whose embeddings nearly agree, whose numbers, names and answers agree, and whose words do
    not.

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
        pairs = [
            (first, second, score)
            for first, second, score in close_pairs(vectors(texts), threshold)
            if answers[first]
            and (not strict or answers[first] == answers[second])
            and min(len(texts[first].split()), len(texts[second].split())) >= min_words
            and _other_words(texts[first], texts[second])
        ]
        if finding := _told(records, texts, pairs if strict else _alike(records, pairs, answer_threshold), threshold):
            yield finding

    return check


def _told(
    records: Sequence[Record], texts: Sequence[str], pairs: Sequence[tuple[int, int, float]], threshold: float
) -> Finding | None:
    """The finding at a threshold; None without pairs."""
    found: dict[int, tuple[int, float]] = {}
    for first, second, score in pairs:
        if score > found.get(second, (0, 0.0))[1]:
            found[second] = (first, score)
    if not found:
        return None
    ranked = sorted(found.items(), key=lambda item: (-item[1][1], item[0]))

    def above(higher: float) -> Finding | None:
        refuse_lower("semantic_duplicates", higher, threshold)
        return _told(records, texts, [pair for pair in pairs if pair[2] >= higher], higher)

    return Finding(
        check="semantic_duplicates",
        severity="info",
        sentence=(
            f"{count_of(len(found), 'record')} {verb(len(found), 'seems', 'seem')} to ask the same as another one "
            "in other words, with the same answer."
        ),
        indices=tuple(index for index, _ in ranked),
        evidence=tuple(
            f"{score:.2f} like {place(records[o].source)}: {quote(texts[i], 50)} / {quote(texts[o], 50)}"
            for i, (o, score) in ranked
        ),
        details={"count": len(found), "threshold": threshold},
        above=above,
    )


def _alike(
    records: Sequence[Record], pairs: Sequence[tuple[int, int, float]], threshold: float
) -> list[tuple[int, int, float]]:
    """The pairs whose free-text answers agree, too."""
    involved = sorted({i for pair in pairs for i in pair[:2]})
    place = {index: at for at, index in enumerate(involved)}
    points = embed([records[i].answer_text for i in involved])
    return [p for p in pairs if float(points[place[p[0]]] @ points[place[p[1]]]) >= threshold]


def _other_words(first: str, second: str) -> bool:
    """Neither a near-duplicate by its letters (that is another check's) nor a template filled in differently, nor the
    same words in another order: embeddings do not see it, and "from A to B" is not "from B to A"."""
    if Counter(_WORD.findall(first.lower())) == Counter(_WORD.findall(second.lower())):
        return False
    return not differ_in_facts(first, second) and similarity(first, second) < DEFAULT_THRESHOLD
