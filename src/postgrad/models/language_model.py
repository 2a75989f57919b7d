"""A causal language model in memory: its weights on the probed device, its renderer, and at most one adapter in use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from postgrad.models.adapters.lora import Adapter, LoraLinear, beside, detach
from postgrad.models.adapters.trained_weights import Trained
from postgrad.models.base_models import BaseModel, find_model
from postgrad.models.device import Device, probe
from postgrad.models.faithful import body_of, check_head, chooses_attention, settle_attention
from postgrad.models.loading import load_module
from postgrad.models.rendering.render import Renderer, load_renderer
from postgrad.models.spoilt_model import unspoilt_model

_settled: dict[tuple[str, int, str, str], str] = {}
"""The attention by which a base is computed, looked at once a process."""


class LanguageModel:
    """A base model ready to compute; `use` swaps adapters exactly.

    Args:
        base: Where the model lies.
        device: Where and in what precision to compute; probed when None.
    """

    def __init__(self, base: BaseModel, device: Device | None = None) -> None:
        self.base = base
        self.device = device or probe()
        self.renderer: Renderer = load_renderer(base)
        self.module: Any
        self.attention: str
        self._read()
        self.trained_id: str | None = None
        self._pristine: dict[str, torch.Tensor] = {}
        self._beside: dict[str, LoraLinear] = {}

    @property
    def name(self) -> str:
        return self.base.name

    @property
    def parameters(self) -> int:
        """Of the base alone."""
        added = sum(p.numel() for layer in self._beside.values() for p in layer.parameters_of_its_own)
        return sum(p.numel() for p in self.module.parameters()) - added

    @property
    def body(self) -> torch.nn.Module:
        """The decoder without its head: ids to hidden states."""
        return body_of(self.module)

    @property
    def head_scaling(self) -> tuple[float | None, float]:
        """(cap, factor): logits are capped by cap · tanh(logits / cap) and then multiplied by the factor."""
        config = self.module.config.get_text_config()
        factor = (getattr(config, "logit_scale", None) or 1.0) / (getattr(config, "logits_scaling", None) or 1.0)
        factor *= getattr(config, "lm_head_multiplier", None) or 1.0
        return getattr(config, "final_logit_softcapping", None) or None, factor

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of hidden states (…, H) → (…, V), float32, with the model's own scaling."""
        return self.scaled(self.module.get_output_embeddings()(hidden))

    def scaled(self, logits: torch.Tensor) -> torch.Tensor:
        """What the output layer gave, in float32 and scaled as the model scales it."""
        logits = logits.float()
        cap, factor = self.head_scaling
        if cap:
            logits = torch.tanh(logits / cap) * cap
        return logits if factor == 1.0 else logits * factor

    def use(self, trained: Trained | None, trained_id: str | None = None) -> None:
        """Puts trained weights in place, or restores the base's exactly.

        Always computed from the untouched weights, in float32, then rounded once: swapping leaves no drift, and the
        same adapter gives the same weights to the bit. In a lower precision the rounding would cost most of a small
        update: there a low-rank adapter is computed beside the weights, as it was trained and as it is served.
        """
        if trained_id is not None and trained_id == self.trained_id:
            return
        with torch.no_grad():
            detach(self.module, self._beside)
            self._beside = {}
            for name, weight in self._pristine.items():
                self.module.get_parameter(name).copy_(weight)
            self.trained_id = None
            if trained is None:
                return
            if isinstance(trained, Adapter) and self.device.dtype != "float32":
                for name, weight in trained.packed(self._original):
                    self.module.get_parameter(name).copy_(weight)
                self._beside = beside(self.module, trained)
            if not self._beside:
                for name, weight in trained.weights(self._original):
                    self.module.get_parameter(name).copy_(weight)
        self.trained_id = trained_id

    def _original(self, name: str) -> torch.Tensor:
        """The base's own value of a parameter that is about to change; kept so that it can be restored."""
        if name not in self._pristine:
            self._pristine[name] = self.module.get_parameter(name).detach().clone()
        return self._pristine[name]

    def read_again(self) -> None:
        """Reads the base's weights from disk again, after a training that gave them up."""
        self._read()
        self._pristine, self._beside, self.trained_id = {}, {}, None

    def _read(self) -> None:
        """Sets the module, and `attention`: the name of what it is computed by."""
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.module = load_module(self.base, self.device.torch_dtype).to(self.device.kind).eval()
        about = self.base.folder / "config.json"
        key = str(about), about.stat().st_mtime_ns, self.device.kind, self.device.dtype
        if key not in _settled:
            with unspoilt_model(str(self.base.folder)):  # its first numbers
                _settled[key] = settle_attention(self.module)
                check_head(self.module, self.head)
        elif chooses_attention(type(self.module)):
            self.module.set_attn_implementation(_settled[key])
        self.attention = _settled[key]


def load_model(name: str, say: Callable[[str], None] = lambda _: None) -> LanguageModel:
    """Finds and loads a base model by any of its names."""
    return LanguageModel(find_model(name, say))
