"""Which checkpoint of a training is kept where the distance from the base can be measured: of those that are not
distinguishably worse at the task than the best, the one that has moved least on general prompts.

Not worse is a loss within one standard error of the lowest, or as many right validation answers as any has: where
answers are short, the loss of a longer training rises because it is surer of the same answers, right and wrong.

Both distances are KL(model ‖ base), in nats a token: on the task's validation answers, and on answers of the base to
general prompts that are never trained on. How far a model moves on a task predicts what it forgets (RL's Razor,
https://arxiv.org/abs/2509.04259). At the end the weights that are kept are also tried a part of the way back to the
base (WiSE-FT, https://arxiv.org/abs/2109.01903), by the same rule.

Shapes: N supervised positions of an example, H hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from postgrad.json_types import JsonObject
from postgrad.models.rendering.render import Rendered
from postgrad.training.batching import microbatches
from postgrad.training.forward import Forward, Hidden, learned
from postgrad.training.loss import head_divergence, head_loss
from postgrad.training.methods import Attached
from postgrad.training.parallel import World
from postgrad.training.token_accuracy import Hits
from postgrad.training.weights.weight_averaging import not_worse

TASK_TOKENS = 4096
"""Supervised tokens of validation answers on which the distance is measured; the base's states there are kept."""
TASK, GENERAL = "eval_kl_task", "eval_kl_general"
SHARES = (0.875, 0.75, 0.625, 0.5)
"""Of the way from the base to the weights that are kept, where a nearer place may be as good."""
CANDIDATE = "candidate/"
"""Before the names of candidates' weights in a checkpoint."""


@dataclass(frozen=True)
class Measured:
    """A validation: the mean loss (nats per supervised token), that of each example, the two distances, and for each
    example whether every right token was the likeliest (1 or 0)."""

    loss: float
    losses: list[float]
    task: float
    general: float
    right: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Candidate:
    step: int
    loss: float
    losses: list[float]
    general: float
    share: float = 1.0
    right: list[float] = field(default_factory=list)
    weights: dict[str, torch.Tensor] = field(default_factory=dict)


class Frontier:
    """The checkpoints that may still be kept.

    Args:
        forward: Of the model with what is trained attached.
        method: Lets the base be asked.
        held: Validation examples of the task.
        general: The base's answers to general prompts that are not trained on.
        token_budget: Tokens in a microbatch.
        world: The processes that train together.
    """

    def __init__(
        self,
        forward: Forward,
        method: Attached,
        held: Sequence[Rendered],
        general: Sequence[Rendered],
        token_budget: int,
        world: World,
    ) -> None:
        self.forward, self.held, self.general, self.budget, self.world = forward, held, general, token_budget, world
        self.candidates: list[_Candidate] = []
        near: list[Rendered] = []
        room = TASK_TOKENS
        for example in held:
            room -= example.supervised
            if near and room < 0:
                break
            near.append(example)
        self._base: dict[int, torch.Tensor] = {}
        with torch.no_grad(), method.as_base():
            for micro in microbatches([*near, *general], token_budget):
                for example, hidden in self._hidden(micro):
                    self._base[id(example)] = hidden.states.clone()

    def measure(self) -> Measured:
        """Loss and distances of the model as it stands; counts right tokens of validation as `Forward.loss` does."""
        losses, weights, right = ([0.0] * len(self.held) for _ in range(3))
        place = {id(e): i for i, e in enumerate(self.held)}
        sums = [0.0, 0.0, 0.0, 0.0]  # distance and tokens, on the task and on general prompts
        with torch.no_grad():
            for kind, batch in enumerate((self.held, self.general)):
                for micro in self.world.share(list(microbatches(batch, self.budget))):
                    for example, hidden in self._hidden(micro):
                        if (base := self._base.get(id(example))) is not None:
                            sums[2 * kind] += self._distance(hidden, base)
                            sums[2 * kind + 1] += len(base)
                        if kind == 0:
                            losses[place[id(example)]], right[place[id(example)]] = self._loss(hidden)
                            weights[place[id(example)]] = sum(example.weights)
        total, count = self.world.sum([*losses, *weights, *right, *sums]), len(self.held)
        losses, weights, right = (total[n * count : (n + 1) * count] for n in range(3))
        sums = total[3 * count :]
        return Measured(
            loss=sum(losses) / sum(weights),
            losses=[loss / weight for loss, weight in zip(losses, weights, strict=True)],
            task=sums[0] / max(1.0, sums[1]),
            general=sums[2] / max(1.0, sums[3]),
            right=right,
        )

    def offer(self, step: int, found: Measured, weights: Mapping[str, torch.Tensor], share: float = 1.0) -> None:
        """Takes a checkpoint in, and lets go of those that can no longer be kept.

        A candidate goes once the lowest loss is distinguishably lower than its own and another one has more right
        answers, or once another one is better at the task and nearer to the base.
        """
        new = _Candidate(step, found.loss, found.losses, found.general, share, found.right)
        rivals = [*self.candidates, new]
        best = min(rivals, key=lambda c: (c.loss, c.general))
        most = max(sum(c.right) for c in rivals)
        able = [c for c in rivals if c is best or not_worse(c.losses, best.losses) or (most and sum(c.right) >= most)]
        kept = [c for c in able if not any(o.loss <= c.loss and o.general < c.general for o in able)]
        self.candidates = [c for c in kept if c is not new]
        if any(c is new for c in kept):
            self.candidates.append(replace(new, weights={n: w.detach().clone() for n, w in weights.items()}))

    def offer_nearer(self, parameters: Mapping[str, torch.Tensor]) -> None:
        """Offers what lies between the base and the weights that are kept so far, as far as it is no worse.

        Args:
            parameters: What is trained, in the model; afterwards some of those weights are left in it.
        """
        kept = self.chosen
        if kept is None or not all(name.endswith(("lora_A", "lora_B")) for name in kept.weights):
            return  # only a low-rank product can be gone along by scaling one of its factors
        with torch.no_grad():
            for share in SHARES:
                for name, value in kept.weights.items():
                    parameters[name].copy_(value * share if name.endswith("lora_B") else value)
                found = self.measure()
                self.offer(kept.step, found, parameters, share)
                if self.chosen is None or self.chosen.share != share:
                    return  # this far is worse, and farther is worse still

    @property
    def chosen(self) -> _Candidate | None:
        """The candidate nearest to the base; None before the first validation."""
        return min(self.candidates, key=lambda c: (c.general, c.loss), default=None)

    def in_words(self, distances: Sequence[tuple[int, float]]) -> str:
        """Which checkpoint was kept and why.

        Args:
            distances: (step, KL on general prompts) of every validation.
        """
        chosen = self.chosen
        if chosen is None:
            return ""
        best = min(self.candidates, key=lambda c: c.loss)
        nearer = f", {chosen.share:g} of the way from the base," if chosen.share < 1 else ""
        said = (
            f"The weights of step {chosen.step}{nearer} are {chosen.general:.3f} nats a token from the base on general"
            f" prompts (KL; {distances[-1][1]:.3f} at the last validation)"
        )
        if chosen is best:
            return f"{said}: no checkpoint that is as good at the task by one standard error is nearer."
        as_good = (
            f"their validation loss ({chosen.loss:.3f}) is within one standard error of the lowest,"
            if not_worse(chosen.losses, best.losses)
            else f"no other has more right validation answers ({sum(chosen.right):.0f} of {len(chosen.right)}), though"
            f" their validation loss ({chosen.loss:.3f}) is above the lowest,"
        )
        return (
            f"{said}: they were kept because {as_good} {best.loss:.3f} at step {best.step}, which is"
            f" {best.general:.3f} away."
        )

    def state(self) -> JsonObject:
        """All but the weights; JSON-safe."""
        return {
            "candidates": [
                {"step": c.step, "loss": c.loss, "losses": c.losses, "general": c.general, "right": c.right}
                for c in self.candidates
            ]
        }

    def tensors(self) -> dict[str, torch.Tensor]:
        """The candidates' weights by name, for a checkpoint."""
        return {f"{CANDIDATE}{c.step}/{n}": v for c in self.candidates for n, v in c.weights.items()}

    def load(self, state: JsonObject, tensors: Mapping[str, torch.Tensor]) -> None:
        """The inverse of `state` and `tensors`."""
        self.candidates = []
        for raw in state["candidates"]:
            prefix = f"{CANDIDATE}{raw['step']}/"
            weights = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
            self.candidates.append(_Candidate(**raw, weights=weights))

    def _hidden(self, micro: Sequence[Rendered]) -> Iterator[tuple[Rendered, Hidden]]:
        """Each example of a microbatch with what predicts its supervised tokens."""
        whole, begin = self.forward.hidden(micro), 0
        for example in micro:
            part = slice(begin, begin + len(learned(example)))
            begin = part.stop
            yield example, Hidden(whole.states[part], whole.targets[part], whole.weights[part])

    def _loss(self, hidden: Hidden) -> tuple[float, float]:
        """The loss of an example, and whether every right token was the likeliest."""
        model, hits = self.forward.model, self.forward.hits or Hits()
        right, seen = hits.counted
        loss = head_loss(model, hidden.states, hidden.targets, hidden.weights, hits).item()
        more_right, more_seen = hits.counted
        return loss, float(more_right - right == more_seen - seen)

    def _distance(self, hidden: Hidden, base_NH: torch.Tensor) -> float:
        """Sum over the positions of KL(model ‖ base): the loss is written for the other direction."""
        ones = torch.ones(len(base_NH), device=base_NH.device)
        return head_divergence(self.forward.model, base_NH, hidden.states, ones).item()
