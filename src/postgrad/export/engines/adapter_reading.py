"""An adapter's folder in transformers without PEFT: the files read back, the adapter put into the weights of the base
beside it."""

from __future__ import annotations

from pathlib import Path

import torch

from postgrad.export.engines.hf import TransformersModel
from postgrad.models.adapters.lora import load_adapter


class AdapterReading(TransformersModel):
    """A folder of PEFT's.

    Args:
        folder: Of the export.
        base: Of its base.
    """

    def __init__(self, folder: Path, base: Path) -> None:
        import transformers
        from transformers import AutoModelForCausalLM

        self._open(folder)
        self.name = f"the files read back (transformers {transformers.__version__}; PEFT is not installed)"
        self.module = AutoModelForCausalLM.from_pretrained(base, dtype="auto", attn_implementation="eager").eval()
        with torch.no_grad():
            for name, weight in load_adapter(folder).weights(self.module.get_parameter):
                self.module.get_parameter(name).copy_(weight)
