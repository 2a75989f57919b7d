"""What engines share that need not be installed: to say so, and to read probabilities of tokens out of their numbers.

Shapes: T tokens, V vocabulary.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np

from postgrad.errors import UsageError


def need(engine: str, extra: str, *packages: str) -> None:
    """Refuses to go on without an engine that writes its format itself.

    Args:
        engine: As people call it.
        extra: Of postgrad, that installs it.
        packages: That must be there.

    Raises:
        UsageError: one of them is not installed.
    """
    if not all(importlib.util.find_spec(package) for package in packages):
        raise UsageError(f"{engine}, which writes this format, is not installed.", f"pip install 'postgrad[{extra}]'")


def logprobs_of(logits_TV: np.ndarray, ids: Sequence[int], begin: int) -> list[float]:
    """Log-probabilities of the ids after the first `begin`, each by the logits of the id before it."""
    scores = np.array(logits_TV, np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
    return [float(scores[i - 1, ids[i]]) for i in range(begin, len(ids))]
