"""What is trained: low-rank adapters (`lora`, `qlora`, `dora`) or the weights themselves (`full`), and with either a
scalar head where the objective has one. One function each.

A method attaches itself to a model, names its trainable parameters by `requires_grad`, and gives back what was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal

import torch

from postgrad.models.adapters.lora import LoraLinear, attach, detach, taken
from postgrad.models.adapters.quantize import Bits, usual_bits
from postgrad.models.adapters.scalar_head import scalar_head
from postgrad.models.adapters.trained_weights import Adapter, ScoringWeights, Trained, WholeWeights
from postgrad.models.language_model import LanguageModel
from postgrad.training.weights.warm_start import apply_start, head_of_start, put_start
from postgrad.training_settings import MethodSettings

Head = Literal["", "kept", "aside"]
"""A scalar head on the hidden states: none, one that belongs to what was trained (a reward model's), or one that only
the training needs (a value head)."""


class Attached:
    """A method at work on a model.

    Args:
        taken: Copies the trained weights out.
        layers: Adapter layers that can be switched off; none for full fine-tuning.
        started: The adapters hold what an earlier training left: the model that this one starts from.
    """

    def __init__(self, taken: Callable[[], Trained], layers: dict[str, LoraLinear], started: bool = False) -> None:
        self.taken, self._layers = taken, layers
        self._start = {n: _tensors(layer) for n, layer in layers.items()} if started else {}

    @property
    def has_base(self) -> bool:
        """Whether the base model can be asked while this is attached."""
        return bool(self._layers)

    @contextmanager
    def as_base(self) -> Iterator[None]:
        """The model computes as its base inside the block."""
        for layer in self._layers.values():
            layer.on = False
        try:
            yield
        finally:
            for layer in self._layers.values():
                layer.on = True

    @contextmanager
    def as_start(self) -> Iterator[None]:
        """The model computes inside the block as the one that the training starts from: the base, or the base with an
        earlier adapter. With full fine-tuning, as it stands: to be asked before the first step."""
        if not self._start:
            with self.as_base():
                yield
            return
        now = {name: _tensors(layer) for name, layer in self._layers.items()}
        self._set(self._start)
        try:
            yield
        finally:
            self._set(now)

    def _set(self, tensors: dict[str, tuple[torch.Tensor, ...]]) -> None:
        with torch.no_grad():
            for name, layer in self._layers.items():
                for parameter, value in zip(layer.parameters_of_its_own, tensors[name], strict=True):
                    parameter.copy_(value)


def _tensors(layer: LoraLinear) -> tuple[torch.Tensor, ...]:
    return tuple(p.detach().clone() for p in layer.parameters_of_its_own)


@contextmanager
def attached(model: LanguageModel, settings: MethodSettings, seed: int = 0, head: Head = "") -> Iterator[Attached]:
    """Makes a model trainable inside the block; afterwards it is the base again.

    Args:
        seed: Of new adapters.
        head: Whether a scalar head is trained with it, and belongs to what was trained.

    Raises:
        UsageError: unknown targets, what the method needs is not installed, or what is to be trained further is a
            reward model and the objective has no use for one.
    """
    begun_H = head_of_start(settings.start, wanted=head == "kept") if settings.start else None
    model.use(None)
    with METHODS[settings.method](model, settings, seed) as out:
        if not head:
            yield out
            return
        with scalar_head(model.module, begun_H) as score:
            if head == "kept":
                body = out.taken
                out.taken = lambda: _scoring(body(), score.weight)
            yield out


def _scoring(body: Trained, head_1H: torch.Tensor) -> ScoringWeights:
    if not isinstance(body, Adapter | WholeWeights):
        raise TypeError(f"{type(body).__name__} carries no head")
    return ScoringWeights(body, head_1H[0].detach().float().cpu().clone())


@contextmanager
def _adapter(
    model: LanguageModel, s: MethodSettings, seed: int, dora: bool = False, bits: Bits | None = None
) -> Iterator[Attached]:
    module: Any = model.module
    layers = attach(
        module, rank=s.rank, alpha=s.alpha, seed=seed, targets=s.targets, rslora=s.rslora, dora=dora, bits=bits
    )
    try:
        if s.start:
            put_start(layers, s.start, s.alpha, s.rslora, bits)
        yield Attached(lambda: taken(layers, s.alpha, s.rslora, bits, module), layers, bool(s.start))
    finally:
        detach(module, layers)
        if bits:
            model.read_again()


def _lora(model: LanguageModel, s: MethodSettings, seed: int) -> AbstractContextManager[Attached]:
    return _adapter(model, s, seed)


def _dora(model: LanguageModel, s: MethodSettings, seed: int) -> AbstractContextManager[Attached]:
    return _adapter(model, s, seed, dora=True)


def _qlora(model: LanguageModel, s: MethodSettings, seed: int) -> AbstractContextManager[Attached]:
    return _adapter(model, s, seed, bits=s.bits or usual_bits(model.device.kind))


@contextmanager
def _full(model: LanguageModel, s: MethodSettings, seed: int) -> Iterator[Attached]:
    """All weights but the embeddings (and the head, where it is the same matrix), unless those are wanted too."""
    module: Any = model.module
    outer = {id(m.weight) for m in (module.get_input_embeddings(), module.get_output_embeddings()) if m is not None}
    for parameter in module.parameters():
        parameter.requires_grad_(s.embeddings or id(parameter) not in outer)

    if s.start:
        apply_start(module, s.start)

    own = [n for n, p in module.named_parameters() if p.requires_grad]

    def whole() -> Trained:
        return WholeWeights({n: module.get_parameter(n).detach().float().cpu().clone() for n in own})

    try:
        yield Attached(whole, {})
    finally:
        for parameter in module.parameters():
            parameter.requires_grad_(False)
            parameter.grad = None
        model.read_again()


METHODS: dict[str, Callable[[LanguageModel, MethodSettings, int], AbstractContextManager[Attached]]] = {
    "lora": _lora,
    "qlora": _qlora,
    "dora": _dora,
    "full": _full,
}
