"""Mean token accuracy: at how many supervised positions the right token is the likeliest, counted while its logits
exist.

It costs one pass over logits that are computed anyway, and changes no number of the training.
Shapes: N supervised positions, V vocabulary.
"""

from __future__ import annotations

import torch

from postgrad.training.parallel import World

NAMES = ("token_accuracy", "eval_token_accuracy")


class Hits:
    """Counts of training passes and of validation passes since they were last taken.

    Attributes:
        learning: Whether the pass that is counted is learned from; set before it, because inside it gradients are off.
    """

    def __init__(self) -> None:
        self.learning = True
        self._right: list[torch.Tensor | int] = [0, 0]
        self._seen: list[int] = [0, 0]

    def add(self, scores_NV: torch.Tensor, targets_N: torch.Tensor) -> None:
        """Counts some positions.

        Args:
            scores_NV: Logits, or anything that grows with them.
        """
        place = 0 if self.learning else 1
        self._right[place] = self._right[place] + (scores_NV.argmax(1) == targets_N).sum()  # stays on its device
        self._seen[place] += len(targets_N)

    @property
    def counted(self) -> tuple[int, int]:
        """(right, seen) so far, of both kinds of passes."""
        return int(sum(self._right)), sum(self._seen)

    def taken(self, world: World) -> dict[str, float]:
        """Shares of right tokens over all processes, by name, of what was counted; begins anew."""
        right, seen = [float(n) for n in self._right], [float(n) for n in self._seen]
        self.__init__()
        total = world.sum([*right, *seen])
        return {name: total[i] / total[i + 2] for i, name in enumerate(NAMES) if total[i + 2]}
