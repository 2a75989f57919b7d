"""The weights of a model that leaves, in transformers' own module: its base's, its base's with what was trained put in,
or a share of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from postgrad.errors import ModelError, UsageError
from postgrad.export.foreign import Module
from postgrad.export.leaving import Leaving
from postgrad.models.adapters.trained_weights import Trained
from postgrad.models.base_models import BaseModel
from postgrad.models.faithful import chooses_attention, in_plain_code
from postgrad.models.loading import load_module

DTYPES = ("float32", "float16", "bfloat16")


def stored_dtype(base: BaseModel) -> torch.dtype:
    """In which a base's weights lie on disk."""
    config = base.config
    name = config.get("dtype") or config.get("torch_dtype") or config.get("text_config", {}).get("dtype") or "float32"
    return getattr(torch, name) if name in DTYPES else torch.float32


def base_module(leaving: Leaving, dtype: torch.dtype) -> Module:
    """The base as it was trained on: packed and unpacked again where it was packed."""
    module: Module = load_module(leaving.base, dtype).eval()
    if (adapter := leaving.adapter) is not None:
        with torch.no_grad():
            for name, weight in adapter.packed(module.get_parameter):
                module.get_parameter(name).copy_(weight)
    return module


def merged_module(leaving: Leaving, dtype: torch.dtype) -> Module:
    """The base with everything that was trained in its weights, computed in float32 and rounded once."""
    module: Module = load_module(leaving.base, dtype).eval()
    _refuse_others(leaving, module)
    with torch.no_grad():
        for name, weight in leaving.trained.weights(module.get_parameter):
            module.get_parameter(name).copy_(weight)
    return module


def in_plain_attention(module: Module) -> Module:
    """The same module, computed by its own eager code from here on."""
    if chooses_attention(type(module)):
        module.set_attn_implementation("eager")
    return module


def _refuse_others(leaving: Leaving, module: Module) -> None:
    """Refuses an adapter of another base.

    Raises:
        ModelError: a layer that it changes is not there, or has another shape.
    """
    shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
    if (adapter := leaving.adapter) is None:
        return
    for name, (a_RI, b_OR) in adapter.tensors.items():
        wanted = (b_OR.shape[0], a_RI.shape[1])
        if shapes.get(f"{name}.weight") != wanted:
            found = shapes.get(f"{name}.weight", "not there")
            raise ModelError(
                f"{leaving.name} changes the layer {name!r} of shape {wanted}; in {leaving.base_name!r} it is {found}.",
                "It was trained on another base; restore that one.",
            )


class Shares:
    """A module on which any share of what was trained can be put, exactly: from the untouched weights each time.

    Args:
        leaving: The model.
        dtype: To compute in.
    """

    def __init__(self, leaving: Leaving, dtype: torch.dtype) -> None:
        self.leaving = leaving
        self.module: Module = load_module(leaving.base, dtype).eval()
        _refuse_others(leaving, self.module)
        self._kept: dict[str, torch.Tensor] = {}

    def put(self, share: float) -> contextlib.AbstractContextManager[None] | None:
        """Everything computed inside is of the model with that share; None for a share that it cannot have (a part of
        a DoRA adapter)."""
        trained = self.leaving.trained
        if share not in (0.0, 1.0):
            try:
                trained = trained.blended(share)
            except UsageError:
                return None
        return self._placed(None if share == 0.0 else trained)

    @contextlib.contextmanager
    def _placed(self, trained: Trained | None) -> Iterator[None]:
        kept: dict[str, torch.Tensor] = {}

        def original(name: str) -> torch.Tensor:
            if name not in kept:
                kept[name] = self.module.get_parameter(name).detach().clone()
            return kept[name]

        with torch.no_grad():
            if trained is None and self.leaving.adapter is not None:
                changes = list(self.leaving.adapter.packed(original))
            else:
                changes = trained.weights(original) if trained is not None else ()
            for name, weight in changes:
                original(name)
                self.module.get_parameter(name).copy_(weight)
        try:
            with in_plain_code(self.module):
                yield
        finally:
            with torch.no_grad():
                for name, weight in kept.items():
                    self.module.get_parameter(name).copy_(weight)
