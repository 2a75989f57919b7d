"""What all objectives on preferences share: pairs, the likelihoods of both sides, and the figures that tell of
progress.

Shapes: B pairs of a microbatch.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass as plain_dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from postgrad.models.rendering.pairs import RenderedPair, render_pair
from postgrad.models.rendering.render import Rendered
from postgrad.objectives import OPTIONS, Options
from postgrad.records import Preference, Record
from postgrad.training.guards.likelihoods import CHOSEN
from postgrad.training.objectives.base import Objective, Prepared, Setup
from postgrad.training.objectives.preparing import prepared

if TYPE_CHECKING:
    import torch

    from postgrad.training.forward import Forward

REWARDS = ("rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins")
"""As TRL calls them: the reward is what the objective makes of a side's likelihood; accuracies count pairs whose chosen
side has the higher one."""


@dataclass(frozen=True, config=OPTIONS)
class PairOptions(Options):
    """What objectives on preferences read."""

    beta: Annotated[float, Field(ge=0)] = 0.1
    """How strongly the model is held to the starting one."""

    def fault(self, objective: str) -> str:
        if self.beta == 0:
            return f"beta must be above 0 for {objective}: with 0 no preference changes anything"
        return ""


@plain_dataclass(frozen=True)
class Sides:
    """Both sides of the pairs of a microbatch.

    Attributes:
        chosen: (B,) sums of the log-probabilities of the chosen answers, float64, differentiable.
        rejected: (B,) of the rejected ones.
        chosen_tokens: (B,) how many tokens they are sums of.
        rejected_tokens: (B,) likewise.
    """

    chosen: torch.Tensor
    rejected: torch.Tensor
    chosen_tokens: torch.Tensor
    rejected_tokens: torch.Tensor


class PreferenceObjective(Objective):
    """An objective on preferences; to make one, say in `loss` what a microbatch costs.

    Args:
        name: As in `OBJECTIVES`.
        setup: Decides ids, which tokens are an answer's, and what happens to pairs with a side that is too long.
        figures: Names of what it measures besides the `REWARDS`.
    """

    def __init__(self, name: str, setup: Setup, figures: Sequence[str] = ()) -> None:
        super().__init__((*REWARDS, *figures))
        self.name, self.setup = name, setup

    def prepare(self, records: Sequence[Record]) -> Prepared:
        """Renders pairs; all faulty ones are named in one error."""
        return prepared(
            records,
            Preference,
            self.rendered,
            "pairs",
            f"{self.name} trains on preferences",
            "Give pairs of a chosen and a rejected answer; for single answers use --objective sft.",
        )

    def rendered(self, record: Preference) -> RenderedPair | None:
        """A pair as it is trained on; None where the length policy drops it."""
        return render_pair(self.setup.renderer, record, self.setup.max_length, self.setup.too_long)

    def sequences(self, example: Rendered) -> tuple[Rendered, ...]:
        (pair,) = pairs_of([example])
        return (pair.chosen, pair.rejected)

    def weight(self, example: Rendered) -> float:
        """Every pair counts alike, however long its answers are."""
        return 1.0

    def guess(self, vocabulary: int) -> float:
        return math.inf

    def note(self, chosen_B: torch.Tensor, rejected_B: torch.Tensor) -> None:
        """Counts the rewards of a microbatch."""
        count = len(chosen_B)
        self.tally.add("rewards/chosen", chosen_B.sum().item(), count)
        self.tally.add("rewards/rejected", rejected_B.sum().item(), count)
        self.tally.add("rewards/accuracies", (chosen_B > rejected_B).sum().item(), count)
        self.tally.add("rewards/margins", (chosen_B - rejected_B).sum().item(), count)

    def in_words(self, metrics: dict[str, list[tuple[int, float]]], best_step: int) -> str:
        accuracy = dict(metrics.get("eval_rewards/accuracies", []))
        if best_step not in accuracy:
            step, best = max(accuracy.items(), key=lambda item: item[1], default=(0, 0.0))
            return (
                f"On validation the chosen answer had the higher reward in {100 * best:.1f} % of the pairs at step"
                f" {step}, yet the loss was above the start's: where it was wrong it was too sure. A lower rate moves"
                " less far."
                if best > 0.5
                else ""
            )
        margin = dict(metrics["eval_rewards/margins"])[best_step]
        return (
            f"On validation the chosen answer gets the higher reward in {100 * accuracy[best_step]:.1f} % of the pairs,"
            f" by {margin:.3f} in the mean (step {best_step})."
        )


class PairObjective(PreferenceObjective):
    """An objective on how likely both answers are; to make one, say in `judged` what the likelihoods are worth."""

    def __init__(self, name: str, setup: Setup) -> None:
        super().__init__(name, setup, ("logps/chosen", "logps/rejected", CHOSEN))

    @abstractmethod
    def judged(self, sides: Sides, pairs: Sequence[RenderedPair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(B,) losses, rewards of the chosen sides, rewards of the rejected ones."""

    def loss(self, forward: Forward, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum over the pairs of the microbatch."""
        import torch  # here, because `estimate` reads the specs of this folder without it

        from postgrad.models.device import sums_in  # here: it loads torch
        from postgrad.training.sequences import token_logprobs  # here: it loads torch

        pairs = pairs_of(batch)
        found = token_logprobs(forward, [side for pair in pairs for side in (pair.chosen, pair.rejected)], step)
        sums = torch.stack([logps.to(sums_in(logps)).sum() for logps in found])
        counts = torch.tensor([len(logps) for logps in found], dtype=sums.dtype, device=sums.device)
        losses, chosen, rejected = self.judged(Sides(sums[0::2], sums[1::2], counts[0::2], counts[1::2]), pairs)
        self.note(chosen.detach(), rejected.detach())
        self.tally.add("logps/chosen", sums[0::2].sum().item(), len(pairs))
        self.tally.add("logps/rejected", sums[1::2].sum().item(), len(pairs))
        self.tally.add(CHOSEN, (sums[0::2] / counts[0::2]).sum().item(), len(pairs))
        return losses.sum()


def pairs_of(batch: Sequence[Rendered]) -> list[RenderedPair]:
    """The examples as the pairs that `prepare` made."""
    return [e for e in batch if isinstance(e, RenderedPair)]


def tensor_of(values: Sequence[float], like: torch.Tensor) -> torch.Tensor:
    """(B,) on the device of another tensor, in what sums are added up in there."""
    import torch  # as above

    from postgrad.models.device import sums_in  # here: it loads torch

    return torch.tensor(list(values), dtype=sums_in(like), device=like.device)
