"""Numbers: the last number of the answer against the last of the reference, as reasoning ends in its result."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from postgrad.evaluation.metrics.metric import Metric

_NUMBER = re.compile(
    r"(?<![\w.])[-+−]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|(?<![\w.])[-+−]?\.\d+"
)
_ONLY_NUMBER = re.compile(rf"\A\s*(?:{_NUMBER.pattern})\s*\Z")


def last_number(text: str) -> float | None:
    """The last finite number in `text` ("1,234.5" is one number), or None."""
    found = _NUMBER.findall(text)
    if not found:
        return None
    value = float(found[-1].replace(",", "").replace("−", "-"))
    return value if math.isfinite(value) else None


def is_number(text: str) -> bool:
    """Whether `text` is a number and nothing else."""
    return bool(_ONLY_NUMBER.match(text))


def numeric(*, tolerance: float = 0.0, relative: float = 1e-9) -> Metric:
    """1 where the numbers agree within `tolerance` (absolute) or `relative` (to the larger of the two)."""

    def score(answer: str, reference: str) -> float:
        left, right = last_number(answer), last_number(reference)
        if left is None or right is None:
            return 0.0
        return float(math.isclose(left, right, rel_tol=relative, abs_tol=tolerance))

    def unfit(references: Sequence[str]) -> str:
        without = sum(last_number(r) is None for r in references)
        return f"{without} of {len(references)} reference answers hold no number" if without else ""

    return Metric("numeric", score, title="right numbers", right_or_wrong=True, unfit=unfit)
