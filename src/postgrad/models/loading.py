"""Reading a base model's weights through transformers: whole, of a known kind, without code of the model's own.

transformers draws weights at random that a checkpoint lacks, and asks at the terminal whether to run a model's own
code; here both are refused by name. Code of its own runs only for a base that `POSTGRAD_TRUST_REMOTE_CODE` names.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from postgrad.errors import ModelError
from postgrad.models.base_models import BaseModel, refuse_gaps
from postgrad.models.faithful import ATTENTIONS, chooses_attention
from postgrad.models.fused.attention import register
from postgrad.models.spoilt_model import unspoilt_model

TRUST = "POSTGRAD_TRUST_REMOTE_CODE"


def load_module(base: BaseModel, dtype: torch.dtype) -> torch.nn.Module:
    """The model on the CPU, with the first attention that its class knows.

    Raises:
        ModelError: its kind is not known, it brings code of its own, or its files are damaged or not all there.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    register()
    trusted = _trusted(base)
    common = {"local_files_only": True, "trust_remote_code": trusted}
    with unspoilt_model(str(base.folder)):
        config = AutoConfig.from_pretrained(base.folder, **common)
        read: Any = AutoModelForCausalLM.from_pretrained(
            base.folder,
            config=config,
            dtype=dtype,
            attn_implementation=_attention(base, config, trusted),
            ignore_mismatched_sizes=True,  # they are told below, with the missing ones
            output_loading_info=True,
            **common,
        )
    model, info = read
    refuse_gaps(str(base.folder), info)
    return model


def _trusted(base: BaseModel) -> bool:
    """Whether the model's own code may run; refuses a model that has nothing else.

    Raises:
        ModelError: its kind is not known.
    """
    from transformers import CONFIG_MAPPING, __version__

    kind, own = str(base.config.get("model_type", "")), base.config.get("auto_map")
    if kind in CONFIG_MAPPING:
        return False
    if not own:
        raise ModelError(
            f"The model in {str(base.folder)!r} is of the type {kind!r}, which transformers {__version__} does"
            " not know.",
            "A newer transformers may (pip install -U transformers); or choose another base: `postgrad bases`.",
        )
    if os.environ.get(TRUST) in (base.name, str(base.folder)):
        return True
    files = (
        ", ".join(f"{p.name} ({p.stat().st_size:,} bytes)" for p in sorted(base.folder.glob("*.py"))) or "none there"
    )
    raise ModelError(
        f"The model {base.name!r} is of the type {kind!r} and brings code of its own, which was not run: {files}.",
        f"Read it in {str(base.folder)!r}; if you trust it, set {TRUST}={base.name}.",
    )


def _attention(base: BaseModel, config: Any, trusted: bool) -> str:
    """The attention to ask for.

    Raises:
        ModelError: models of this kind do not continue text.
    """
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    known: Any = MODEL_FOR_CAUSAL_LM_MAPPING
    if type(config) in known:
        return ATTENTIONS[0] if chooses_attention(known[type(config)]) else "eager"
    if trusted:
        return "eager"
    raise ModelError(
        f"The model in {str(base.folder)!r} is of the type {config.model_type!r}, which does not continue"
        " text: it is no causal language model.",
        "Choose another base: `postgrad bases`.",
    )
