"""The likenesses that a text_similarity grader may ask for, each in [0, 1].

`cosine` takes the embeddings inside this package, not OpenAI's: its figures are other figures. `meteor` matches words
and stems; the synonyms of WordNet would need a download.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from postgrad.evaluation.metrics.bleu import sentence_bleu
from postgrad.evaluation.metrics.embedding import cosines
from postgrad.evaluation.metrics.rouge import rouge_score

_TOKEN = re.compile(r"\w+|[^\w\s]")
_LONGEST = 20_000  # characters; quadratic measures see no more


def similarity(metric: str, text: str, reference: str) -> float:
    """The likeness of two texts by one of `SIMILARITIES`; two empty texts are alike, one empty text like none."""
    if not text.strip() or not reference.strip():
        return float(text.strip() == reference.strip())
    if metric.startswith("rouge_"):
        text, reference = text[:_LONGEST], reference[:_LONGEST]
        return rouge_score(text, reference, "rougeL" if metric == "rouge_l" else f"rouge{metric[-1]}")
    return min(1.0, max(0.0, _MEASURES[metric](text[:_LONGEST], reference[:_LONGEST])))


def fuzzy_match(left: str, right: str) -> float:
    """Normalised indel similarity, as rapidfuzz's `ratio`: twice the longest common subsequence over both lengths.

    Bit-parallel (Hyyrö, 2004) on Python's long integers.
    """
    if len(left) < len(right):
        left, right = right, left
    places: dict[str, int] = {}
    for i, character in enumerate(right):
        places[character] = places.get(character, 0) | 1 << i
    whole = (1 << len(right)) - 1
    state = whole
    for character in left:
        met = state & places.get(character, 0)
        state = ((state + met) | (state - met)) & whole
    common = len(right) - state.bit_count()
    return 2 * common / max(1, len(left) + len(right))


def gleu(text: str, reference: str) -> float:
    """Google's GLEU of sentences (Wu et al., 2016), n-grams to 4."""
    from nltk.translate.gleu_score import sentence_gleu  # here: nltk takes a while to import

    left, right = _tokens(text), _tokens(reference)
    return 1.0 if left == right else float(sentence_gleu([right], left))


def meteor(text: str, reference: str) -> float:
    """METEOR (Banerjee and Lavie, 2005) with exact and stem matching; like the original, short equal texts stay below
    1."""
    from nltk.translate.meteor_score import single_meteor_score

    return float(single_meteor_score(_tokens(reference), _tokens(text), wordnet=_NoSynonyms()))  # pyright: ignore[reportArgumentType]


class _NoSynonyms:
    """Stands where nltk expects WordNet."""

    def synsets(self, _word: str) -> list[object]:
        return []


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())


_MEASURES: dict[str, Callable[[str, str], float]] = {
    "cosine": lambda text, reference: cosines([text], [reference])[0],
    "fuzzy_match": fuzzy_match,
    "bleu": sentence_bleu,
    "gleu": gleu,
    "meteor": meteor,
}
