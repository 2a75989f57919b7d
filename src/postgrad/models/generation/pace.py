"""How much of a long prompt is read at a time, so that the answers beside it do not stand still."""

from __future__ import annotations

READ_S = 0.12
"""Seconds that one part of a prompt is to take while other answers grow: with one token for each of them after it, a
stream stands still for less than a quarter of a second."""
LEAST, FIRST, MOST = 8, 128, 256
"""Tokens of a part: the fewest (the weights are read once for all of them), before anything was measured, and the
most."""


class Pace:
    """Measures how fast prompts are read.

    Args:
        least: Tokens that a part has in any case.
        most: Tokens that no part exceeds.
    """

    def __init__(self, least: int = LEAST, most: int = MOST) -> None:
        self._least, self.most = least, most
        self._rate = 0.0

    def tokens(self) -> int:
        """Of the next part."""
        wanted = int(READ_S * self._rate) if self._rate else FIRST
        return min(self.most, max(self._least, wanted))

    def took(self, tokens: int, seconds: float) -> None:
        """A part was read; the last one counts most, because attention grows with what has been read."""
        rate = tokens / max(seconds, 1e-6)
        self._rate = rate if not self._rate else (self._rate + rate) / 2
