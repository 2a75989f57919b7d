"""How much stricter a further look at the same test part is.

Whoever tries recipes on one test part until one wins will find one by chance. Bonferroni's correction over looks whose
number nobody knows beforehand spends the error in rising steps: look k is judged at ALPHA divided by k (k + 1) / 2. The
shares 1, 1/3, 1/6, 1/10 … sum to 2, so that all looks together, however many, err at most twice as often as one alone.
Divided by k itself they would sum without end (1 + 1/2 + 1/3 + …).
"""

from __future__ import annotations


def strictness(look: int) -> int:
    """By what the p-values of this look are multiplied, and the error of its intervals divided: 1, 3, 6, 10, 15 …

    Args:
        look: Of how many different recipes that were judged on a test part this one is; the first is 1.

    Raises:
        ValueError: `look` is below 1.
    """
    if look < 1:
        raise ValueError(f"the first look is 1, not {look}")
    return look * (look + 1) // 2
