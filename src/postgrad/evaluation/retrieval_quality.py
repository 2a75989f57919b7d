"""How good retrieval is, apart from what a model makes of it: is the right answer among what was found, and at which
rank?

Hit rate and mean reciprocal rank (Voorhees, TREC-8, 1999) over the requests whose right answer stands in some passage
word by word: for the others no rank can be told, and how many they are is part of the result.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence

from postgrad.evaluation.metrics.support.normal import plain
from postgrad.json_types import JsonObject

DEPTHS = (1, 2, 5, 10)
EVERYWHERE = 0.05
"""A text that stands in more than this share of the passages ("yes", "2") tells no passage from another."""
FEW = 3
_WORD = re.compile(r"\w+")


class Holdings:
    """Which passages hold a text, word by word, whatever the case and the marks between words."""

    def __init__(self, passages: Sequence[str]) -> None:
        self._count = len(passages)
        folded = [_folded(p) for p in passages]
        self._all = "\n".join(folded)
        self._starts, place = [], 0
        for text in folded:
            self._starts.append(place)
            place += len(text) + 1

    def holding(self, text: str) -> frozenset[int]:
        """Places of the passages; none where the text is empty or stands in so many that it tells nothing."""
        wanted, most = _folded(text), max(FEW, int(EVERYWHERE * self._count))
        found: set[int] = set()
        at = self._all.find(wanted) if wanted.strip() else -1
        while at >= 0 and len(found) <= most:
            place = bisect.bisect_right(self._starts, at) - 1
            found.add(place)
            following = self._starts[place + 1] if place + 1 < self._count else len(self._all)
            at = self._all.find(wanted, following)
        return frozenset(found) if len(found) <= most else frozenset()


def documents_quality(
    holding: Sequence[frozenset[int]], ranked: Sequence[Sequence[int]], shown: int, scores: Sequence[float]
) -> JsonObject:
    """Retrieval from documents over test requests.

    Args:
        holding: For each request the passages that hold its right answer.
        ranked: For each request the passages found, best first, `max(DEPTHS)` of them where there are so many.
        shown: So many of them are put before the request.
        scores: What the answers are worth.
    """
    places = [i for i, held in enumerate(holding) if held]
    ranks = {i: next((n for n, p in enumerate(ranked[i], 1) if p in holding[i]), None) for i in places}
    out: JsonObject = {"from": "documents", "requests": len(holding), "findable": len(places), "shown": shown}
    if not places:
        out["sentence"] = (
            f"none of the {len(holding)} right answers stands word by word in a passage of its own, so what retrieval"
            " found cannot be told from them"
        )
        return out
    hit = {d: sum(r is not None and r <= d for r in ranks.values()) for d in sorted({*DEPTHS, shown})}
    out["hit_rate"] = {str(d): n / len(places) for d, n in hit.items()}
    out["mrr"] = sum(1 / r for r in ranks.values() if r is not None) / len(places)
    with_hit = [i for i in places if (r := ranks[i]) is not None and r <= shown]
    out |= _scores(scores, with_hit, [i for i in places if i not in set(with_hit)])
    out["sentence"] = (
        f"{len(places)} of {len(holding)} right answers stand word by word in a passage; one of the {shown} passages"
        f" shown holds it for {hit[shown]} of those {len(places)} ({100 * hit[shown] / len(places):.1f} %), one of the"
        f" first {DEPTHS[-1]} for {hit[DEPTHS[-1]]}; mean reciprocal rank {out['mrr']:.2f}{_in_words(out)}"
    )
    return out


def examples_quality(references: Sequence[str], found: Sequence[Sequence[str]], scores: Sequence[float]) -> JsonObject:
    """Retrieval from training examples: is the right answer among the answers of the examples shown?

    Args:
        references: The right answers.
        found: For each request the answers of the examples shown.
        scores: What the answers are worth.
    """
    hits = [i for i, r in enumerate(references) if plain(r) in {plain(a) for a in found[i]}]
    missed = sorted(set(range(len(references))) - set(hits))
    out: JsonObject = {"from": "examples", "requests": len(references), "hits": len(hits)}
    out |= _scores(scores, hits, missed)
    shown = max((len(f) for f in found), default=0)
    out["sentence"] = (
        f"one of the {shown} examples shown has the right answer for {len(hits)} of {len(references)} requests "
        f"({100 * len(hits) / max(1, len(references)):.1f} %){_in_words(out)}"
    )
    return out


def _scores(scores: Sequence[float], hits: Sequence[int], missed: Sequence[int]) -> JsonObject:
    """The mean score with and without a hit; None where there is no such request."""
    return {
        "score_with": _mean(scores, hits),
        "n_with": len(hits),
        "score_without": _mean(scores, missed),
        "n_without": len(missed),
    }


def _mean(scores: Sequence[float], places: Sequence[int]) -> float | None:
    return sum(scores[i] for i in places) / len(places) if places else None


def _in_words(part: JsonObject) -> str:
    said = [
        f"{100 * part[key]:.1f} % where it {verb}"
        for key, verb in (("score_with", "does"), ("score_without", "does not"))
        if part[key] is not None
    ]
    return f"; the answers score {' and '.join(said)}" if said else ""


def _folded(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.casefold()))} "
