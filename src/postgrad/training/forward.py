"""From rendered examples to hidden states and loss: how a microbatch is laid out and computed, the same for every
objective.

Three ways give the same numbers. `fused`: examples end to end in one row, each layer computed by hand
(`models/fused/body`). `packed`: the same row through the model's own code. `padded`: one example a row. The fastest
that `self_check` finds right on a sample of the user's data is taken, so a model of any shape trains right.

Shapes: B rows, T time, N supervised positions, H hidden.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, cast

import torch

from postgrad.errors import UsageError
from postgrad.models.fused.attention import NAME, Packing
from postgrad.models.fused.body import Fused
from postgrad.models.generation.generate import shared_beginning
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Rendered
from postgrad.training.loss import head_loss
from postgrad.training.self_check import first_right
from postgrad.training.token_accuracy import Hits

Way = Literal["fused", "packed", "padded"]


@dataclass(frozen=True)
class Hidden:
    """What predicts the supervised tokens of a microbatch.

    Attributes:
        states: (N, H) hidden states at the positions before them.
        targets: (N,) their ids.
        weights: (N,) their loss weights, float32.
    """

    states: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor


class Forward:
    """The forward pass of a training.

    Args:
        model: With whatever is trained attached.
        recompute: Keep only each layer's input, and compute layers again in the backward pass.
        noise: NEFTune's alpha (https://arxiv.org/abs/2310.05914): uniform noise on the embeddings while training; 0 for
            none.
        seed: Of the noise, which is a function of seed, step and example alone.
    """

    def __init__(self, model: LanguageModel, recompute: bool = False, noise: float = 0.0, seed: int = 0) -> None:
        self.model, self.noise, self.seed = model, noise, seed
        self.way: Way = "padded"
        self.hits: Hits | None = None
        self.recompute = recompute
        self._fused = Fused.of(model.body, recompute)
        self._layers: list[torch.nn.Module] = []

    def choose(self, examples: Sequence[Rendered]) -> str:
        """Takes the fastest way that computes as the model's own eager code does; says which, in words.

        Raises:
            ModelError: none does.
        """
        ways = ("fused", "packed", "padded") if self._fused else ("packed", "padded")
        if self.model.attention != NAME:
            ways = ("padded",)  # other attention code knows nothing of examples that share a row

        def states(way: str, batch: Sequence[Rendered]) -> torch.Tensor:
            self.way = cast("Way", way)
            return self.hidden(batch).states

        self.way = cast("Way", first_right(self.model, ways, states, examples))
        if self.recompute and self.way != "fused":
            self._recompute_layers()
        return {
            "fused": "Layers are computed by hand-written code, examples share a row.",
            "packed": "Layers are computed by the model's own code, examples share a row.",
            "padded": "This model does not let examples share a row; they are padded, which is slower.",
        }[self.way]

    def _recompute_layers(self) -> None:
        """Prepares transformers' layers for keeping their input alone.

        Raises:
            UsageError: the model cannot.
        """
        module = self.model.module
        if not module.supports_gradient_checkpointing:
            raise UsageError(
                f"Layers of {self.model.name} cannot be computed again in the backward pass.",
                "Leave training.recompute off; a smaller training.token_budget saves memory too.",
            )
        from transformers.modeling_layers import GradientCheckpointingLayer  # three seconds, only where it is used

        module.activation_checkpointing_enable({"use_reentrant": False})
        module.disable_input_require_grads()  # asked for by another way of checkpointing alone
        self._layers = [m for m in module.modules() if isinstance(m, GradientCheckpointingLayer)]

    @contextmanager
    def _keeping_inputs(self) -> Iterator[None]:
        """Layers keep their input alone inside the block, if they are to.

        transformers' layers do so in training mode, which is set for the layers themselves and not for what is in them,
        so that nothing is dropped out; and only here, because they would lose the cache of a generation.
        """
        layers = self._layers if torch.is_grad_enabled() else []
        for layer in layers:
            layer.training = True
        try:
            yield
        finally:
            for layer in layers:
                layer.training = False

    def loss(self, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """Sum of weight × nats over the supervised tokens; a float64 scalar."""
        hidden = self.hidden(batch, step)
        return head_loss(self.model, hidden.states, hidden.targets, hidden.weights, self.hits)

    def hidden(self, batch: Sequence[Rendered], step: int | None = None) -> Hidden:
        """Runs the body; `step` switches training noise on."""
        states = self._states(batch, [[t - 1 for t in learned(e)] for e in batch], step)
        places = [(e.ids[t], e.weights[t]) for e in batch for t in learned(e)]
        kind = self.model.device.kind
        return Hidden(
            states, torch.tensor([p[0] for p in places], device=kind), torch.tensor([p[1] for p in places], device=kind)
        )

    def last(self, batch: Sequence[Rendered], step: int | None = None) -> torch.Tensor:
        """(B, H) hidden states at the last token of each example."""
        return self._states(batch, [[len(e.ids) - 1] for e in batch], step)

    def _states(self, batch: Sequence[Rendered], read: Sequence[Sequence[int]], step: int | None) -> torch.Tensor:
        """Hidden states at the places to be read of each example, one after the other."""
        with self._keeping_inputs():
            return self._padded(batch, read, step) if self.way == "padded" else self._row(batch, read, step)

    def _padded(self, batch: Sequence[Rendered], read: Sequence[Sequence[int]], step: int | None) -> torch.Tensor:
        """One example a row; right padding needs no mask under causal attention."""
        kind, width = self.model.device.kind, max(len(e.ids) for e in batch)
        ids_BT = torch.tensor([list(e.ids) + [0] * (width - len(e.ids)) for e in batch], device=kind)
        padded = [torch.nn.functional.pad(n, (0, 0, 0, width - len(n))) for n in self._noise(batch, step)]
        with self._noisy(torch.stack(padded) if padded else None):
            hidden_BTH = self.model.body(input_ids=ids_BT, use_cache=False)[0]
        places = [b * width + t for b, own in enumerate(read) for t in own]
        return hidden_BTH.flatten(0, 1)[torch.tensor(places, device=kind)]

    def _row(self, batch: Sequence[Rendered], read: Sequence[Sequence[int]], step: int | None) -> torch.Tensor:
        """All examples in one row, their shared beginning (template and instruction) once: no token is computed
        twice."""
        kind = self.model.device.kind
        noisy = self.noise > 0 and step is not None
        shared = 0 if noisy or len(batch) == 1 else _shared(batch, read)
        ids, positions, ends, places = list(batch[0].ids[:shared]), list(range(shared)), [], []
        for e, own in zip(batch, read, strict=True):
            places += [len(ids) + t - shared for t in own]
            ids += e.ids[shared:]
            positions += range(shared, len(e.ids))
            ends.append(len(ids))
        packing, keep = Packing(shared, tuple(ends)), torch.tensor(places, device=kind)
        ids_1T, positions_1T = torch.tensor([ids], device=kind), torch.tensor([positions], device=kind)
        noise = self._noise(batch, step)
        with self._noisy(torch.cat(noise)[None] if noise else None):
            if self.way == "fused" and self._fused:
                embedded = self.model.module.get_input_embeddings()(ids_1T)
                return self._fused(embedded[0], positions_1T[0], packing, keep)
            hidden_1TH = self.model.body(input_ids=ids_1T, position_ids=positions_1T, use_cache=False, packing=packing)[
                0
            ]
        return hidden_1TH[0][keep]

    @contextmanager
    def _noisy(self, noise_BTH: torch.Tensor | None) -> Iterator[None]:
        """Embeddings get this noise inside the block. At the embeddings themselves, because models do more with ids
        than embed them, and to embeddings than to pass them on."""
        if noise_BTH is None:
            yield
            return

        def add(_module: object, _inputs: object, embedded: torch.Tensor) -> torch.Tensor:
            return embedded + noise_BTH.to(embedded)

        hook = self.model.module.get_input_embeddings().register_forward_hook(add)
        try:
            yield
        finally:
            hook.remove()

    def _noise(self, batch: Sequence[Rendered], step: int | None) -> list[torch.Tensor]:
        """Noise (T, H) of each example in this step, whatever microbatch it is in."""
        if not self.noise or step is None:
            return []
        out, width = [], self.model.module.get_input_embeddings().weight.shape[1]
        for e in batch:
            size = self.noise / (len(e.ids) * width) ** 0.5
            number = random.Random(f"{self.seed}/{step}/{hash(e.ids)}").getrandbits(62)
            drawn = torch.rand(len(e.ids), width, generator=torch.Generator().manual_seed(number))
            out.append(drawn.mul_(2 * size).sub_(size))
        return out


def shared_part(batch: Sequence[Rendered]) -> int:
    """Tokens that all examples begin with, and of which none is learned or predicts a learned one."""
    return _shared(batch, [[t - 1 for t in learned(e)] for e in batch])


def _shared(batch: Sequence[Rendered], read: Sequence[Sequence[int]]) -> int:
    """The same with the places that are read of each."""
    return min(shared_beginning([e.ids for e in batch]), *(places[0] for places in read))


def learned(example: Rendered) -> list[int]:
    """Positions of the supervised tokens; the first token of all has nothing to be predicted from."""
    return [t for t, w in enumerate(example.weights) if w > 0 and t > 0]
