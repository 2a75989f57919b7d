"""Who wrote it: a classifier that tells an author's own text from that of others, by style alone, and what it says of
texts that it has not seen."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from postgrad.evaluation.texts.style import Style
from postgrad.similarity.classifier import fit

FOLDS = 5
AUTHOR = 1
COPIED = 12
"""Words in a row that nobody writes twice by chance."""


def taken_for_author(
    style: Style,
    own: Sequence[str],
    others: Collection[str],
    known: Sequence[str],
    asked: Mapping[str, Sequence[str]],
) -> dict[str, list[float]]:
    """For each text whether it is taken for the author's: 1 or 0, by classifiers that have seen nothing that belongs to
    the same passage.

    Args:
        style: What texts are measured by.
        own: The author's own text of each passage.
        others: Names of those in `asked` whose texts the classifier learns to tell from the author's.
        known: More texts of the author, of no passage.
        asked: Other writers' texts by name, one a passage.

    Returns:
        By name, and the author's own under "".
    """
    points = {name: style.points(texts) for name, texts in {**asked, "": own}.items()}
    more = style.points(known)
    out = {name: [0.0] * len(own) for name in points}
    for fold in range(FOLDS):
        unseen = [i for i in range(len(own)) if i % FOLDS == fold]
        seen = [i for i in range(len(own)) if i % FOLDS != fold]
        if not unseen or not seen:
            continue
        theirs = np.concatenate([points[""][seen], more])
        ours = np.concatenate([points[name][seen] for name in others])
        size = max(len(theirs), len(ours))  # as many of both, so that neither is likelier
        theirs, ours = theirs[np.arange(size) % len(theirs)], ours[np.arange(size) % len(ours)]
        classes = np.array([AUTHOR] * len(theirs) + [0] * len(ours))
        fitted = fit(np.concatenate([theirs, ours]), classes, 2, rounds=100)
        for name, found in points.items():
            chances = fitted.probabilities(found[unseen])[:, AUTHOR]
            for place, chance in zip(unseen, chances, strict=True):
                out[name][place] = float(chance > 0.5)
    return out


def runs_in(texts: Iterable[str]) -> frozenset[int]:
    """Hashes of all that many words in a row (`COPIED`) of texts; they hold in this process alone."""
    return frozenset(hash(run) for text in texts for run in _in_a_row(text))


def copied(texts: Sequence[str], source: Collection[int]) -> list[float]:
    """For each text whether it repeats so many words in a row of the texts whose `runs_in` are given: 1 or 0."""
    return [float(any(hash(run) in source for run in _in_a_row(text))) for text in texts]


def _in_a_row(text: str) -> list[tuple[str, ...]]:
    words = text.lower().split()
    return [tuple(words[i : i + COPIED]) for i in range(len(words) - COPIED + 1)]
