"""Direct preference optimisation: the chosen answer is made likelier than the rejected one, measured from the starting
model.

Losses of the margin Δ = (log p − log p₀ of the chosen side) − (the same of the rejected side), with p₀ the starting
model: `sigmoid` (DPO, https://arxiv.org/abs/2305.18290) −log σ(βΔ); `robust` (https://arxiv.org/abs/2403.00409) the
same freed of the share of labels that are the wrong way round; `ipo` (https://arxiv.org/abs/2310.12036) (Δ − 1/2β)²
with log-probabilities averaged over tokens, as its authors ask; `hinge` (SLiC, https://arxiv.org/abs/2305.10425) max(0,
1 − βΔ).

Shapes: B pairs of a microbatch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn.functional import logsigmoid

from postgrad.models.rendering.pairs import Pair
from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.progress import Working
from postgrad.training.objectives import Start
from postgrad.training.objectives.paired import PairObjective, Sides, tensor_of
from postgrad.training.reference import reference_sums

BETA = 0.1
SWAPPED = 0.1
"""Share of wrong labels that `robust` reckons with unless told."""


class Dpo(PairObjective):
    """The objective `dpo`.

    Args:
        loss: A key of `LOSSES`; `sigmoid` when None.
        beta: How strongly the model is held to the starting one; 0.1 when None.
        label_smoothing: Share of pairs whose sides are expected to be swapped, below 0.5; for `sigmoid` (which it makes
            `robust`) and `robust`. None: 0.1 for `robust`, else 0.
    """

    name = "dpo"

    def __init__(
        self,
        renderer: Renderer,
        max_length: int | None = None,
        too_long: TooLong = "error",
        loss: str | None = None,
        beta: float | None = None,
        label_smoothing: float | None = None,
    ) -> None:
        super().__init__(renderer, max_length, too_long)
        self.kind, self.beta = loss or "sigmoid", BETA if beta is None else beta
        usual = SWAPPED if self.kind == "robust" else 0.0
        self.swapped = usual if label_smoothing is None else label_smoothing
        self.reference: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[float, ...]] = {}

    def begin(self, start: Start, examples: Sequence[Rendered], held: Sequence[Rendered]) -> Working[None]:
        """Computes the starting model's likelihoods of both sides of every pair, once."""
        both = [*examples, *held]
        sums = yield from reference_sums(start, both, [self.sequences(e) for e in both])
        for example, values in zip(both, sums, strict=True):
            self.reference[_key(self.sequences(example))] = values

    def judged(self, sides: Sides, pairs: Sequence[Pair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        before = [self.reference[_key((pair.chosen, pair.rejected))] for pair in pairs]
        chosen = sides.chosen - tensor_of([b[0] for b in before], sides.chosen)
        rejected = sides.rejected - tensor_of([b[1] for b in before], sides.chosen)
        if self.kind == "ipo":
            margin = chosen / sides.chosen_tokens - rejected / sides.rejected_tokens
        else:
            margin = chosen - rejected
        return LOSSES[self.kind](margin, self.beta, self.swapped), self.beta * chosen, self.beta * rejected


def _key(sides: Sequence[Rendered]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return sides[0].ids, sides[1].ids


def _sigmoid(margin_B: torch.Tensor, beta: float, swapped: float) -> torch.Tensor:
    right, wrong = -logsigmoid(beta * margin_B), -logsigmoid(-beta * margin_B)
    return ((1 - swapped) * right - swapped * wrong) / (1 - 2 * swapped)


def _ipo(margin_B: torch.Tensor, beta: float, swapped: float) -> torch.Tensor:
    return (margin_B - 1 / (2 * beta)) ** 2


def _hinge(margin_B: torch.Tensor, beta: float, swapped: float) -> torch.Tensor:
    return torch.relu(1 - beta * margin_B)


LOSSES: dict[str, Callable[[torch.Tensor, float, float], torch.Tensor]] = {
    "sigmoid": _sigmoid,
    "robust": _sigmoid,
    "ipo": _ipo,
    "hinge": _hinge,
}
