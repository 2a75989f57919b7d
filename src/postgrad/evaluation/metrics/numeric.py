"""Numbers with their units: the last number of the answer against the last of the reference, as reasoning ends in its
result. Where a text has a `####` mark (as GSM8K's answers), the number after the last one counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.evaluation.metrics.support.metric import Case, Metric, each, lacking
from postgrad.evaluation.metrics.support.quantity import alike, is_quantity, last_number, last_quantity

__all__ = ["is_quantity", "last_number", "numeric"]


def numeric(*, tolerance: float = 0.0, relative: float = 1e-9, units: bool = True) -> Metric:
    """1 where the numbers agree within `tolerance` (absolute) or `relative` (a share of the larger of the two).

    Args:
        tolerance: In the unit of the reference.
        relative: 0.01 forgives one per cent.
        units: 3 km equals 3,000 m, $5 is not €5, 12 % equals 0.12, and 1.2 million 1,200,000. A unit that only one of
            the two names is forgiven. False: the bare numbers are compared.
    """

    def score(answer: str, reference: str) -> float:
        if not units:
            left, right = last_number(answer), last_number(reference)
            return float(left is not None and right is not None and alike(left, right, tolerance, relative))
        given, wanted = last_quantity(answer), last_quantity(reference)
        return float(given is not None and wanted is not None and wanted.equals(given, tolerance, relative))

    def unfit(cases: Sequence[Case]) -> str:
        return lacking(cases, "reference answers hold a number", lambda c: last_number(c.reference) is not None, 0.95)

    return Metric("numeric", each(score), title="right numbers", right_or_wrong=True, unfit=unfit)
