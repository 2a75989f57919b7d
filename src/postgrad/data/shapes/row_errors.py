"""What can be wrong with a single row, and how such rows are told together."""

from __future__ import annotations

from postgrad.data.sources.rows import NAMED
from postgrad.errors import DataError


class TurnError(ValueError):
    """A row that cannot be read; the message completes the sentence "file, line N: …"."""


class LeftOut(ValueError):  # noqa: N818 - not an error: a row that holds nothing to learn, counted by its reason
    """A row that gives no record for a good reason, such as a tie; the message completes "3 rows were left out: …"."""


class Inexpressible(ValueError):  # noqa: N818 - a property of record and shape
    """A record that a shape cannot hold; the message completes the sentence "file:N: …"."""


class Faults:
    """Collects faults over a whole file: the first few in words, all of them as a count."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, sentence: str) -> None:
        self.count += 1
        if len(self.first) < NAMED:
            self.first.append(sentence)

    def __str__(self) -> str:
        more = f"\nand {self.count - len(self.first)} more" if self.count > len(self.first) else ""
        return "\n".join(self.first) + more

    def error(self, headline: str, mend: str) -> DataError:
        """One error that names the first of them and counts all."""
        return DataError(f"{headline}\n{self}", mend)
