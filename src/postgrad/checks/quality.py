"""Answers that stand out: looping, gibberish, far too short or long for what was asked, or surprising to the model
itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from postgrad.answers import answer_kind
from postgrad.checks.support.embedding_space import clusters, vectors
from postgrad.checks.support.phrases import count_of, quote, verb
from postgrad.checks.support.words.languages import detector
from postgrad.checks.support.words.spelling import spelling_of
from postgrad.findings import Check, Context, Finding, Repair, check_factory
from postgrad.records import Record

_WORD = re.compile(r"[^\W\d_]+")
_TOKEN = re.compile(r"\w+")
_LOOP = re.compile(r"\b(\w+(?:\W+\w+){0,9}?)(?:\W+\1\b){3,}", re.IGNORECASE)
_LOOP_WORDS = 8
_LONG_WORD = 4
_MAD = 1.4826


@check_factory(
    harm=28,
    advice="Read these: unusually long, short, repetitive or surprising answers are often mistakes of an export.",
)
def quality(
    *, spread: float = 6.0, factor: float = 8.0, gibberish_share: float = 0.6, surprise_spread: float = 5.0
) -> Check:
    """Finds answers that are degenerate text or outliers. Nothing is repaired unasked; looping and gibberish may be
    dropped.

    Args:
        spread: Robust standard deviations (of the logarithm, among like requests) from which a length stands out.
        factor: And how many times shorter or longer than usual it must be.
        gibberish_share: Share of the letters in words that no other record has and whose letters do not follow each
            other as in the rest of the set.
        surprise_spread: Robust standard deviations of the base model's loss above that of answers of like length.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        answers = {i: r.answer_text for i, r in enumerate(records) if r.answer_text.strip()}
        yield from _loops(answers)
        if answer_kind(list(answers.values())) == "text":
            yield from _gibberish(answers, gibberish_share)
            yield from _lengths(records, answers, spread, factor)
        if context.surprise is not None:
            yield from _surprising(records, answers, context.surprise(records), surprise_spread)

    return check


def looping(text: str) -> str:
    """What a text says four times or more in succession, a third of its words at least; empty where it does not."""
    if len(text) < 2 * _LOOP_WORDS:
        return ""
    for match in _LOOP.finditer(text):
        if len(_TOKEN.findall(match[0])) >= max(_LOOP_WORDS, len(_TOKEN.findall(text)) / 3) and any(
            w.isalpha() and len(w) > 1 for w in _TOKEN.findall(match[1])
        ):
            return match[1]
    return ""


def _loops(answers: dict[int, str]) -> Iterator[Finding]:
    found = {i: part for i, text in answers.items() if _may_loop(text) and (part := looping(text))}
    if found:
        ranked = sorted(found, key=lambda i: (-len(answers[i]), i))
        yield Finding(
            check="quality",
            severity="warning",
            sentence=(
                f"{count_of(len(ranked), 'answer')} {verb(len(ranked), 'says', 'say')} the same words over and over."
            ),
            indices=tuple(ranked),
            evidence=tuple(f"again and again {quote(found[i], 40)}" for i in ranked),
            repairs=tuple(Repair(i, "drop", safe=False) for i in ranked),
            details={"fault": "loop", "count": len(ranked)},
        )


def _may_loop(text: str) -> bool:
    """A quick sign: some word makes up a twelfth of the text and occurs four times."""
    words = _TOKEN.findall(text.lower())
    return len(words) >= _LOOP_WORDS and Counter(words).most_common(1)[0][1] >= max(4, len(words) / 12)


def _gibberish(answers: dict[int, str], share: float) -> Iterator[Finding]:
    if len(answers) < 50:
        return
    words = {i: [w for w in _WORD.findall(text.lower()) if len(w) >= _LONG_WORD] for i, text in answers.items()}
    known = Counter(w for found in words.values() for w in set(found))
    usual = [w for w, n in known.items() if n >= 2]
    if len(usual) < 100:
        return
    pairs, singles = Counter(p for w in usual for p in _pairs(w)), Counter(c for w in usual for c in f" {w}")
    letters = len(singles) + 1

    def strange(word: str) -> float:
        logs = [np.log((pairs[p] + 0.5) / (singles[p[0]] + 0.5 * letters)) for p in _pairs(word)]
        return -float(np.mean(logs))

    limit = float(np.quantile([strange(w) for w in usual], 0.99))
    found: dict[int, float] = {}
    for i, own in words.items():
        alone = [w for w in own if known[w] == 1]
        if len(set(alone)) < 3 or sum(map(len, alone)) < share * sum(map(len, own)):
            continue
        odd = sum(len(w) for w in alone if strange(w) > limit) / max(1, sum(map(len, own)))
        if odd >= share and not _of_another_language(answers[i]):
            found[i] = odd
    if found:
        ranked = sorted(found, key=lambda i: (-found[i], i))
        yield Finding(
            check="quality",
            severity="warning",
            sentence=f"{count_of(len(ranked), 'answer')} {verb(len(ranked), 'looks', 'look')} like gibberish.",
            indices=tuple(ranked),
            evidence=tuple(quote(answers[i], 70) for i in ranked),
            repairs=tuple(Repair(i, "drop", safe=False) for i in ranked),
            details={"fault": "gibberish", "count": len(ranked)},
        )


def _of_another_language(text: str) -> bool:
    """Whether a dictionary of the language that the text seems to be in has most of its words."""
    detect = detector()
    spelling = spelling_of(detect(" ".join(text.split()))[0]) if detect is not None else None
    words = _WORD.findall(text.lower())
    return spelling is not None and spelling.knows_most(words, 0.5)


def _pairs(word: str) -> list[str]:
    return [a + b for a, b in zip(f" {word}", word, strict=False)]


def _lengths(records: Sequence[Record], answers: dict[int, str], spread: float, factor: float) -> Iterator[Finding]:
    chosen = list(answers)
    if len(chosen) < 100:
        return
    kinds = clusters(vectors([records[i].prompt_text for i in chosen]), min(20, len(chosen) // 50))
    lengths = np.log([len(answers[i].split()) + 1 for i in chosen])
    found: dict[int, tuple[float, float]] = {}
    for kind in np.unique(kinds):
        members = np.flatnonzero(kinds == kind)
        middle = float(np.median(lengths[members]))
        width = max(0.35, _MAD * float(np.median(np.abs(lengths[members] - middle))))
        for at in members:
            far = float(lengths[at] - middle)
            if len(members) >= 20 and abs(far) >= max(spread * width, np.log(factor)):
                found[chosen[at]] = (far, float(np.exp(middle) - 1))
    if found:
        ranked = sorted(found, key=lambda i: (-abs(found[i][0]), i))
        yield Finding(
            check="quality",
            severity="info",
            sentence=(
                f"{count_of(len(ranked), 'answer')} {verb(len(ranked), 'is', 'are')} far shorter or longer than answers"
                " to similar requests."
            ),
            indices=tuple(ranked),
            evidence=tuple(
                f"{count_of(len(answers[i].split()), 'word')}, similar requests have {found[i][1]:.0f}: "
                f"{quote(records[i].prompt_text, 40)} → {quote(answers[i], 40)}"
                for i in ranked
            ),
            details={"fault": "length", "count": len(ranked)},
        )


def _surprising(
    records: Sequence[Record], answers: dict[int, str], loss: Sequence[float], spread: float
) -> Iterator[Finding]:
    """Short answers are rightly more surprising for each token, so each is compared with those of like length."""
    values = np.asarray(loss, dtype=np.float64)
    chosen = [i for i in answers if np.isfinite(values[i])]
    if len(chosen) < 50:
        return
    order = sorted(chosen, key=lambda i: (len(answers[i]), i))
    bins = [part for part in np.array_split(np.array(order), max(1, len(order) // 100)) if len(part)]
    found: dict[int, float] = {}
    usual: dict[int, float] = {}
    for members in bins:
        middle = float(np.median(values[members]))
        width = max(0.1, _MAD * float(np.median(np.abs(values[members] - middle))))
        for i in members.tolist():
            if values[i] - middle >= spread * width:
                found[i], usual[i] = float(values[i] - middle) / width, middle
    if found:
        ranked = sorted(found, key=lambda i: (-found[i], i))
        yield Finding(
            check="quality",
            severity="info",
            sentence=(
                f"{count_of(len(ranked), 'answer')} {verb(len(ranked), 'surprises', 'surprise')} the base model far"
                " more than others of that length do."
            ),
            indices=tuple(ranked),
            evidence=tuple(f"{values[i]:.1f} nats a token, usual {usual[i]:.1f}: {quote(answers[i])}" for i in ranked),
            details={"fault": "surprise", "count": len(ranked), "judged": len(chosen)},
        )
