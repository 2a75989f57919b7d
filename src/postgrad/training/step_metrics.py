"""What an objective measures besides its loss: means over a step, whatever microbatches and processes it was cut
into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from postgrad.training.parallel import World


class Tally:
    """Running means by name.

    Args:
        names: All names, in the order in which processes add them up.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self._sums: dict[str, list[float]] = {}

    def add(self, name: str, total: float, count: float = 1.0) -> None:
        """Adds to the sum and the count behind a mean.

        Raises:
            KeyError: the name is not one of `names`.
        """
        if name not in self.names:
            raise KeyError(name)
        entry = self._sums.setdefault(name, [0.0, 0.0])
        entry[0] += total
        entry[1] += count

    def kept(self) -> dict[str, list[float]]:
        """A copy of the sums, to go back to."""
        return {name: list(entry) for name, entry in self._sums.items()}

    def restore(self, sums: dict[str, list[float]]) -> None:
        """Goes back to a copy."""
        self._sums = {name: list(entry) for name, entry in sums.items()}

    def taken(self, world: World, prefix: str = "") -> dict[str, float]:
        """The means over all processes, of what was measured; begins anew."""
        if not self.names:
            return {}
        flat = [value for name in self.names for value in self._sums.get(name, [0.0, 0.0])]
        self._sums = {}
        total = iter(world.sum(flat))
        means = {prefix + name: (next(total), next(total)) for name in self.names}
        return {name: value / count for name, (value, count) in means.items() if count}
