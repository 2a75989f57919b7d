"""How the architectures that llama.cpp computes are written as GGUF: what their settings are called there, and which of
their weights lie otherwise.

An architecture is in the table when a model of it was loaded into llama.cpp and gave the same numbers (`make parity`);
every other one is refused by name. Names of tensors come from the `gguf` package.

Shapes: O outputs, I inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from postgrad.errors import UsageError
from postgrad.export.foreign import Config, Module, Writer


@dataclass(frozen=True)
class Architecture:
    """One family.

    Attributes:
        gguf: Its name there.
        permuted: Whether queries and keys lie in pairs of neighbours, as rotary embedding is computed there.
        norms_plus_one: Whether its norms multiply by one plus their weight, which is written out there.
        windows: Whether llama.cpp computes its sliding windows.
        more: Further settings.
    """

    gguf: str
    permuted: bool = False
    norms_plus_one: bool = False
    windows: bool = False
    more: Callable[[Writer, Config], None] | None = None


def _gemma2(writer: Writer, config: Config) -> None:
    writer.add_attn_logit_softcapping(config.attn_logit_softcapping or 0.0)
    writer.add_final_logit_softcapping(config.final_logit_softcapping or 0.0)
    writer.add_sliding_window(config.sliding_window)
    if _period(config) != 2:
        raise _irregular()


def _gemma3(writer: Writer, config: Config) -> None:
    if config.final_logit_softcapping:
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    writer.add_sliding_window(config.sliding_window)
    writer.add_sliding_window_pattern(_period(config))
    local = dict(config.rope_parameters).get("sliding_attention", {})
    writer.add_rope_freq_base_swa(float(local.get("rope_theta") or 10000.0))


def _period(config: Config) -> int:
    """Every so manieth layer sees everything, and all others a window.

    Raises:
        UsageError: they come in no such order.
    """
    full = [place for place, kind in enumerate(config.layer_types) if kind == "full_attention"]
    period = full[0] + 1 if full else len(config.layer_types) + 1
    if full != list(range(period - 1, len(config.layer_types), period)):
        raise _irregular()
    return period


def _irregular() -> UsageError:
    return UsageError(
        "Layers with windows come in another order than llama.cpp computes for this type.", "Take --to safetensors."
    )


def _smollm3(writer: Writer, config: Config) -> None:
    every = [int((place + 1) % 4 != 0) for place in range(config.num_hidden_layers)]
    if list(config.no_rope_layers) != every:
        raise UsageError(
            "llama.cpp leaves positions out of every fourth layer of this type, and this model out of others.",
            "Take --to safetensors.",
        )


def _granite(writer: Writer, config: Config) -> None:
    writer.add_attention_scale(config.attention_multiplier)
    writer.add_embedding_scale(config.embedding_multiplier)
    writer.add_residual_scale(config.residual_multiplier)
    writer.add_logit_scale(config.logits_scaling)


ARCHITECTURES: dict[str, Architecture] = {
    "llama": Architecture("llama", permuted=True),
    "mistral": Architecture("llama", permuted=True),
    "qwen2": Architecture("qwen2"),
    "qwen3": Architecture("qwen3"),
    "gemma": Architecture("gemma", norms_plus_one=True),
    "gemma2": Architecture("gemma2", norms_plus_one=True, windows=True, more=_gemma2),
    "gemma3_text": Architecture("gemma3", norms_plus_one=True, windows=True, more=_gemma3),
    "phi3": Architecture("phi3"),
    "smollm3": Architecture("smollm3", permuted=True, more=_smollm3),
    "granite": Architecture("granite", permuted=True, more=_granite),
    "olmo2": Architecture("olmo2"),
    "seed_oss": Architecture("seed_oss"),
    "ernie4_5": Architecture("ernie4_5"),
}
"""By transformers' type of the model."""


def architecture_of(config: Config) -> Architecture:
    """The family of a model.

    Raises:
        UsageError: it is none of the table, or has parts that llama.cpp would compute otherwise.
    """
    kind = config.model_type
    if kind not in ARCHITECTURES:
        raise UsageError(
            f"Models of the type {kind!r} are not written as GGUF: no such file was seen to answer alike in llama.cpp.",
            f"Types that are: {', '.join(ARCHITECTURES)}. `--to safetensors` takes every model; llama.cpp's own"
            " convert_hf_to_gguf.py may read that.",
        )
    found = ARCHITECTURES[kind]
    window = getattr(config, "sliding_window", None)
    used = window and getattr(config, "use_sliding_window", True) and window < config.max_position_embeddings
    if used and not found.windows and kind not in ("qwen2", "qwen3"):
        raise UsageError(
            f"This model sees a window of {window} tokens, which llama.cpp does not compute for the type {kind!r}.",
            "It would answer otherwise in longer conversations: take --to safetensors.",
        )
    if used and kind in ("qwen2", "qwen3") and "sliding_attention" in (getattr(config, "layer_types", None) or ()):
        raise UsageError(f"Sliding windows of the type {kind!r} are not written as GGUF.", "Take --to safetensors.")
    return found


def write_settings(writer: Writer, config: Config, found: Architecture) -> None:
    """The hyperparameters."""
    heads = config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(getattr(config, "num_key_value_heads", None) or heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_vocab_size(config.vocab_size)
    rope = _rope(config)
    writer.add_rope_dimension_count(int(head * (rope.get("partial_rotary_factor") or 1.0)))
    writer.add_rope_freq_base(float(rope.get("rope_theta") or 10000.0))
    _rope_scaling(writer, rope, config)
    if found.more is not None:
        found.more(writer, config)


def _rope(config: Config) -> dict[str, Any]:
    """The settings of the rotary embedding; of full attention, where windows have others."""
    found = dict(getattr(config, "rope_parameters", None) or {})
    return dict(found.get("full_attention", found))


def _rope_scaling(writer: Writer, rope: dict[str, Any], config: Config) -> None:
    import gguf

    kind = rope.get("rope_type", "default")
    if kind in ("default", "llama3"):  # the factors of llama3 are a tensor
        return
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR if kind == "linear" else gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(float(rope["factor"]))
        if kind == "yarn":
            length = rope.get("original_max_position_embeddings") or config.max_position_embeddings
            writer.add_rope_scaling_orig_ctx_len(int(length))
        return
    raise UsageError(
        f"Positions that are scaled as {kind!r} are not written as GGUF.", "Take --to safetensors instead."
    )


def rope_factors(config: Config) -> np.ndarray | None:
    """The factors of Llama 3's longer positions, one for each frequency; None for models without them."""
    rope = _rope(config)
    if rope.get("rope_type") != "llama3":
        return None
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    factor, low, high = float(rope["factor"]), float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
    old = float(rope["original_max_position_embeddings"])
    out: list[float] = []
    for place in range(0, head, 2):
        wave = 2 * math.pi * float(rope["rope_theta"]) ** (place / head)
        if wave < old / high:
            out.append(1.0)
        elif wave > old / low:
            out.append(factor)
        else:
            smooth = (old / wave - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(out, np.float32)


def laid_out(name: str, weight: torch.Tensor, config: Config, found: Architecture) -> torch.Tensor:
    """A weight of the module as it lies in the file."""
    if found.norms_plus_one and name.endswith("norm.weight"):
        return weight.float() + 1
    if found.permuted and name.endswith(("q_proj.weight", "k_proj.weight", "q_proj.bias", "k_proj.bias")):
        return paired(weight, _heads(name, config))
    return weight


def laid_back(name: str, weight: torch.Tensor, config: Config, found: Architecture) -> torch.Tensor:
    """A weight of the file as it lies in the module: the inverse of `laid_out`."""
    if found.norms_plus_one and name.endswith("norm.weight"):
        return weight.float() - 1
    if found.permuted and name.endswith(("q_proj.weight", "k_proj.weight", "q_proj.bias", "k_proj.bias")):
        rows = weight.shape[0] // _heads(name, config)
        back = torch.arange(rows).view(rows // 2, 2).t().reshape(-1)  # where halves stand among pairs
        return weight.view(_heads(name, config), rows, *weight.shape[1:])[:, back].reshape(weight.shape)
    return weight


def _heads(name: str, config: Config) -> int:
    heads = config.num_attention_heads
    return heads if "q_proj" in name else getattr(config, "num_key_value_heads", None) or heads


def paired(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of each head from halves (0 1 2 | 3 4 5) to pairs of neighbours (0 3 1 4 2 5)."""
    rows = weight.shape[0] // heads
    return weight.view(heads, 2, rows // 2, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


def named_tensors(module: Module, found: Architecture) -> Iterator[tuple[str, str, torch.Tensor]]:
    """(name in the file, name in the module, weight) of every weight; tied ones once.

    Raises:
        UsageError: a weight has no place in the file.
    """
    import gguf

    arch = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == found.gguf)
    names = gguf.get_tensor_name_map(arch, module.config.num_hidden_layers)
    tied = bool(module.config.tie_word_embeddings)
    for name, parameter in module.named_parameters():
        if tied and name == "lm_head.weight":
            continue
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if known is None:
            raise UsageError(
                f"The weight {name!r} has no place in a GGUF file of the kind {found.gguf!r}.", "Take --to safetensors."
            )
        yield known, name, laid_out(name, parameter.detach(), module.config, found)
