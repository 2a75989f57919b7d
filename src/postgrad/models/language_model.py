"""A causal language model in memory: its weights on the probed device, its renderer, and at most one adapter merged in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from postgrad.errors import ModelError
from postgrad.models.attention import NAME
from postgrad.models.device import Device, probe
from postgrad.models.lora import Adapter
from postgrad.models.render import Renderer, load_renderer
from postgrad.models.sources import BaseModel, find_model


class LanguageModel:
    """A base model ready to compute; `use` swaps adapters exactly.

    Args:
        base: Where the model lies.
        device: Where and in what precision to compute; probed when None.
    """

    def __init__(self, base: BaseModel, device: Device | None = None) -> None:
        from transformers import AutoModelForCausalLM
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.base = base
        self.device = device or probe()
        self.renderer: Renderer = load_renderer(base.folder, base.context)
        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                base.folder, dtype=self.device.torch_dtype, local_files_only=True, attn_implementation=NAME
            )
            self.module: Any = loaded.to(self.device.kind)
        except (ValueError, OSError, KeyError) as error:
            raise ModelError(f"The model in {str(base.folder)!r} cannot be loaded: {error}.") from error
        self.module.eval()
        self.adapter_id: str | None = None
        self._pristine: dict[str, torch.Tensor] = {}

    @property
    def name(self) -> str:
        return self.base.name

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.module.parameters())

    @property
    def body(self) -> Any:
        """The decoder without its head: ids to hidden states."""
        return self.module.base_model

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of hidden states (…, H) → (…, V), float32, with the model's own scaling."""
        logits = self.module.get_output_embeddings()(hidden).float()
        config = self.module.config.get_text_config()
        if cap := getattr(config, "final_logit_softcapping", None):
            logits = torch.tanh(logits / cap) * cap
        if scale := getattr(config, "logits_scaling", None):
            logits = logits / scale
        if scale := getattr(config, "logit_scale", None):
            logits = logits * scale
        return logits

    def use(self, adapter: Adapter | None, adapter_id: str | None = None) -> None:
        """Merges an adapter into the weights, or restores them exactly.

        Always computed from the untouched weights, in float32, then rounded once: swapping leaves no drift, and the same
        adapter gives the same weights to the bit.
        """
        if adapter_id is not None and adapter_id == self.adapter_id:
            return
        with torch.no_grad():
            for name, weight in self._pristine.items():
                self.module.get_submodule(name).weight.copy_(weight)
            self.adapter_id = None
            if adapter is None:
                return
            for name, (a_RI, b_OR) in adapter.tensors.items():
                target = self.module.get_submodule(name).weight
                if name not in self._pristine:
                    self._pristine[name] = target.detach().clone()
                update = (b_OR.to(target.device) @ a_RI.to(target.device)).mul_(adapter.scale)
                target.copy_(self._pristine[name].float() + update)
        self.adapter_id = adapter_id


def load_model(name: str, say: Callable[[str], None] = lambda _: None) -> LanguageModel:
    """Finds and loads a base model by any of its names."""
    return LanguageModel(find_model(name, say))
