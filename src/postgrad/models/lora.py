"""Low-rank adapters (LoRA, https://arxiv.org/abs/2106.09685): attach, train, save in PEFT's format, merge exactly.

Ours rather than PEFT's because training speed and exact swapping hang on it: the product is one autograd function that
keeps only its input, and merging starts from the untouched weights each time, so adapters can be swapped for ever without
drift. Files are PEFT's (`adapter_model.safetensors`, `adapter_config.json`); PEFT is the oracle in the tests.

Shapes: N tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from postgrad.errors import ModelError, UsageError


class _LoraProduct(torch.autograd.Function):
    """x Wᵀ + b + scale · (x Aᵀ) Bᵀ, keeping only x for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        a_RI: torch.Tensor,
        b_OR: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x_NI = x.reshape(-1, x.shape[-1])
        out_NO = functional.linear(x_NI, weight, bias)
        out_NO.addmm_(x_NI @ a_RI.t().to(x.dtype), b_OR.t().to(x.dtype), alpha=scale)
        ctx.save_for_backward(x_NI, weight, a_RI, b_OR)
        ctx.scale, ctx.shape = scale, x.shape
        return out_NO.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x_NI, weight, a_RI, b_OR = ctx.saved_tensors
        grad_NO = grad.reshape(-1, grad.shape[-1])
        a, b = a_RI.to(grad.dtype), b_OR.to(grad.dtype)
        low_NR = (grad_NO @ b).mul_(ctx.scale)
        grad_a = (low_NR.t() @ x_NI).to(a_RI.dtype)
        grad_b = ((grad_NO.t() @ (x_NI @ a.t())) * ctx.scale).to(b_OR.dtype)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad_NO @ weight).addmm_(low_NR, a).view(ctx.shape)
        return grad_x, None, None, grad_a, grad_b, None


class LoraLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank update. A starts uniform (Kaiming), B at zero."""

    def __init__(self, base: nn.Linear, rank: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.base, self.scale = base, scale
        bound = 1 / math.sqrt(base.in_features)
        start = torch.empty(rank, base.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(start.to(base.weight.device))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, device=base.weight.device))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return _LoraProduct.apply(x, self.base.weight, self.base.bias, self.lora_A, self.lora_B, self.scale)  # pyright: ignore[reportReturnType]


@dataclass(frozen=True)
class Adapter:
    """A trained adapter on the CPU.

    Attributes:
        tensors: For each module name, (A of shape (R, I), B of shape (O, R)), float32.
        rank: R.
        alpha: Updates are scaled by alpha / rank.
    """

    tensors: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    rank: int
    alpha: float

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def linear_targets(model: nn.Module, targets: str = "all-linear") -> list[str]:
    """Names of the linear layers to adapt: all but the output head, or those whose last name part is listed.

    Raises:
        UsageError: a listed name matches no layer.
    """
    head = model.get_output_embeddings()  # pyright: ignore[reportCallIssue]
    names = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and m is not head]
    if targets == "all-linear":
        return names
    wanted = [part.strip() for part in targets.split(",")]
    ends = sorted({n.rsplit(".", 1)[-1] for n in names})
    if missing := [w for w in wanted if w not in ends]:
        raise UsageError(
            f"No linear layer is called {missing[0]!r}.", f"This model has: {', '.join(ends)}; or say all-linear."
        )
    return [n for n in names if n.rsplit(".", 1)[-1] in wanted]


def attach(
    model: nn.Module, *, rank: int, alpha: float, seed: int, targets: str = "all-linear"
) -> dict[str, LoraLinear]:
    """Replaces the targeted layers in place by `LoraLinear`, freezes everything else, and returns the new layers."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    layers: dict[str, LoraLinear] = {}
    for name in linear_targets(model, targets):
        parent, _, last = name.rpartition(".")
        holder = model.get_submodule(parent)
        layers[name] = LoraLinear(getattr(holder, last), rank, alpha / rank, generator)
        setattr(holder, last, layers[name])
    return layers


def detach(model: nn.Module, layers: Mapping[str, LoraLinear]) -> None:
    """Puts the frozen layers back: the model is as before `attach`."""
    for name, layer in layers.items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, layer.base)


def taken(layers: Mapping[str, LoraLinear], alpha: float) -> Adapter:
    """A copy of the current adapter weights."""
    tensors = {
        n: (m.lora_A.detach().float().cpu().clone(), m.lora_B.detach().float().cpu().clone()) for n, m in layers.items()
    }
    return Adapter(tensors, next(iter(tensors.values()))[0].shape[0], alpha)


def put(layers: Mapping[str, LoraLinear], adapter: Adapter) -> None:
    """Sets the layers to an adapter's weights."""
    with torch.no_grad():
        for name, (a, b) in adapter.tensors.items():
            layers[name].lora_A.copy_(a)
            layers[name].lora_B.copy_(b)


def save_adapter(adapter: Adapter, folder: Path, base_name: str) -> None:
    """Writes PEFT's two files."""
    from safetensors.torch import save

    tensors = {}
    for name, (a, b) in adapter.tensors.items():
        tensors[f"base_model.model.{name}.lora_A.weight"] = a.contiguous()
        tensors[f"base_model.model.{name}.lora_B.weight"] = b.contiguous()
    (folder / "adapter_model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base_name, "r": adapter.rank,
        "lora_alpha": adapter.alpha, "lora_dropout": 0.0, "bias": "none", "inference_mode": True,
        "target_modules": sorted({n.rsplit(".", 1)[-1] for n in adapter.tensors}), "use_rslora": False, "use_dora": False,
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1), "utf-8")


def load_adapter(folder: Path) -> Adapter:
    """Reads PEFT's two files, ours or others'.

    Raises:
        ModelError: not a LoRA adapter, or one with parts that this version cannot apply.
    """
    from safetensors.torch import load_file

    config_path = folder / "adapter_config.json"
    if not config_path.exists() or not (folder / "adapter_model.safetensors").exists():
        raise ModelError(
            f"{str(folder)!r} holds no adapter.",
            "An adapter folder has adapter_config.json and adapter_model.safetensors.",
        )
    config = json.loads(config_path.read_text("utf-8"))
    odd = [k for k in ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save", "use_rslora") if config.get(k)]
    if config.get("peft_type") != "LORA" or odd:
        raise ModelError(
            f"The adapter in {str(folder)!r} is not plain LoRA ({', '.join(odd) or config.get('peft_type')}).",
            "Merge it with the tool that made it, and use the merged folder as --base.",
        )
    halves: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(str(folder / "adapter_model.safetensors")).items():
        name, _, half = key.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
        halves.setdefault(name, {})[half] = tensor.float()
    if wrong := [n for n, h in halves.items() if set(h) != {"lora_A", "lora_B"}]:
        raise ModelError(f"The adapter in {str(folder)!r} has tensors besides LoRA pairs: {wrong[0]!r}.")
    return Adapter(
        {n: (h["lora_A"], h["lora_B"]) for n, h in halves.items()}, int(config["r"]), float(config["lora_alpha"])
    )
