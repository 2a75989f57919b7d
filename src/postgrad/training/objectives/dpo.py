"""Direct preference optimisation: the chosen answer is made likelier than the rejected one, measured from the starting
model.

Losses of the margin Δ = (log p − log p₀ of the chosen side) − (the same of the rejected side), with p₀ the starting
model: `sigmoid` (DPO, https://arxiv.org/abs/2305.18290) −log σ(βΔ); `robust` (https://arxiv.org/abs/2403.00409) the
same freed of the share of labels that are the wrong way round; `ipo` (https://arxiv.org/abs/2310.12036) (Δ − 1/2β)²
with log-probabilities averaged over tokens, as its authors ask; `hinge` (SLiC, https://arxiv.org/abs/2305.10425) max(0,
1 − βΔ). `length_normalised` averages them for every loss (https://arxiv.org/abs/2406.12624), and `rpo_alpha`
(https://arxiv.org/abs/2404.19733) adds the mean nats of the chosen answer's tokens, so that it stays likely.

Shapes: B pairs of a microbatch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from postgrad.models.rendering.pairs import RenderedPair
from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.objectives import OPTIONS, Cost, ObjectiveSpec, Options, Rates
from postgrad.progress import Working
from postgrad.records import Preference, Record
from postgrad.training.compute_plan import cost_of_pairs
from postgrad.training.objectives.base import Setup, Start
from postgrad.training.objectives.paired import PairObjective, PairOptions, Sides, tensor_of

if TYPE_CHECKING:
    import torch

SWAPPED = 0.1
"""Share of wrong labels that `robust` reckons with unless told."""


@dataclass(frozen=True, config=OPTIONS)
class DpoOptions(PairOptions):
    """What `dpo` reads."""

    loss: Literal["sigmoid", "robust", "ipo", "hinge"] = "sigmoid"
    """Form of the loss."""
    beta: Annotated[float, Field(ge=0)] = 0.1
    """How strongly the model is held to the starting one."""
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] | None = None
    """For the losses sigmoid (which it makes robust) and robust: the share of pairs reckoned to be swapped. None: 0.1
    for robust, else 0."""

    length_normalised: bool = False
    """Whether log-probabilities are averaged over an answer's tokens, so that long answers have no advantage."""
    rpo_alpha: Annotated[float, Field(gt=0)] | None = None
    """Weight of learning the chosen answer beside the preference. None: not."""

    def fault(self, objective: str) -> str:
        if self.label_smoothing is not None and self.loss not in ("sigmoid", "robust"):
            return "label_smoothing is for dpo with the loss sigmoid or robust"
        return super().fault(objective)


class Dpo(PairObjective):
    """The objective `dpo`."""

    def __init__(self, setup: Setup, options: DpoOptions) -> None:
        super().__init__("dpo", setup)
        self.judge, self.beta, self.alpha = LOSSES[options.loss], options.beta, options.rpo_alpha or 0.0
        self.by_token = options.loss == "ipo" or options.length_normalised
        usual = SWAPPED if options.loss == "robust" else 0.0
        self.swapped = usual if options.label_smoothing is None else options.label_smoothing
        self.reference: dict[tuple[tuple[int, ...], tuple[int, ...]], tuple[float, ...]] = {}

    def begin(self, start: Start, examples: Sequence[Rendered], held: Sequence[Rendered]) -> Working[None]:
        """Computes the starting model's likelihoods of both sides of every pair, once."""
        from postgrad.training.reference import reference_sums  # here, because the spec is read without torch

        both = [*examples, *held]
        sums = yield from reference_sums(start, both, [self.sequences(e) for e in both])
        for example, values in zip(both, sums, strict=True):
            self.reference[_key(self.sequences(example))] = values

    def judged(self, sides: Sides, pairs: Sequence[RenderedPair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        before = [self.reference[_key((pair.chosen, pair.rejected))] for pair in pairs]
        chosen = sides.chosen - tensor_of([b[0] for b in before], sides.chosen)
        rejected = sides.rejected - tensor_of([b[1] for b in before], sides.chosen)
        lengths = (sides.chosen_tokens, sides.rejected_tokens) if self.by_token else (1, 1)
        margin = chosen / lengths[0] - rejected / lengths[1]
        losses = self.judge(margin, self.beta, self.swapped) - self.alpha * sides.chosen / sides.chosen_tokens
        return losses, self.beta * chosen, self.beta * rejected


def _key(sides: Sequence[Rendered]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return sides[0].ids, sides[1].ids


def _sigmoid(margin_B: torch.Tensor, beta: float, swapped: float) -> torch.Tensor:
    from torch.nn.functional import logsigmoid  # as above

    right, wrong = -logsigmoid(beta * margin_B), -logsigmoid(-beta * margin_B)
    return ((1 - swapped) * right - swapped * wrong) / (1 - 2 * swapped)


def _ipo(margin_B: torch.Tensor, beta: float, swapped: float) -> torch.Tensor:
    return (margin_B - 1 / (2 * beta)) ** 2


def _hinge(margin_B: torch.Tensor, beta: float, swapped: float) -> torch.Tensor:
    return (1 - beta * margin_B).relu()


LOSSES: dict[str, Callable[[torch.Tensor, float, float], torch.Tensor]] = {
    "sigmoid": _sigmoid,
    "robust": _sigmoid,
    "ipo": _ipo,
    "hinge": _hinge,
}


def _cost(
    renderer: Renderer, records: Sequence[Record], max_length: int | None, too_long: TooLong, options: Options
) -> Cost:
    pairs = cost_of_pairs(renderer, records, max_length, too_long, options)
    return replace(pairs, once=1.0, note="The starting model's likelihoods are computed once, before training.")


SPEC = ObjectiveSpec("dpo", "preferences", Preference, Dpo, _cost, DpoOptions, Rates(1e-4, 1e-5))
