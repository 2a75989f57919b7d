"""Low-rank adapters (LoRA, https://arxiv.org/abs/2106.09685; DoRA, https://arxiv.org/abs/2402.09353): attach, train,
save in PEFT's format, merge exactly.

Ours rather than PEFT's because training speed and exact swapping hang on it: the product is one autograd function that
keeps only its input, and merging starts from the untouched weights each time, so adapters can be swapped for ever
without drift. Files are PEFT's (`adapter_model.safetensors`, `adapter_config.json`); PEFT is the oracle in the tests.

Shapes: N tokens, I inputs, O outputs, R rank.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from postgrad.errors import ModelError, UsageError
from postgrad.models.adapters.quantize import Bits, QuantizedLinear, rounded
from postgrad.models.adapters.scalar_head import SCORE


class _LoraProduct(torch.autograd.Function):
    """x Wᵀ + b + scale · (x Aᵀ) Bᵀ, keeping only x for the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, base: Any, a_RI: torch.Tensor, b_OR: torch.Tensor, scale: float
    ) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        x_NI = x.reshape(-1, x.shape[-1])
        out = functional.linear(x, base.weight, base.bias)  # not a view: models add to it in place
        out.view(len(x_NI), -1).addmm_(x_NI @ a_RI.t().to(x.dtype), b_OR.t().to(x.dtype), alpha=scale)
        ctx.save_for_backward(x_NI, a_RI, b_OR)
        ctx.base, ctx.scale, ctx.shape = base, scale, x.shape
        return out

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        x_NI, a_RI, b_OR = ctx.saved_tensors
        grad_NO = grad.reshape(-1, grad.shape[-1])
        a, b = a_RI.to(grad.dtype), b_OR.to(grad.dtype)
        low_NR = (grad_NO @ b).mul_(ctx.scale)
        grad_a = (low_NR.t() @ x_NI).to(a_RI.dtype)
        grad_b = (((x_NI @ a.t()).t() @ grad_NO).t() * ctx.scale).to(b_OR.dtype)
        grad_x = None
        if ctx.needs_input_grad[0]:
            grad_x = (grad_NO @ ctx.base.weight).addmm_(low_NR, a).view(ctx.shape)
        return grad_x, None, grad_a, grad_b, None


class LoraLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank update. A starts uniform (Kaiming), B at zero."""

    def __init__(self, base: Any, rank: int, scale: float, generator: torch.Generator) -> None:
        super().__init__()
        self.base, self.scale, self.on = base, scale, True
        bound = 1 / math.sqrt(base.in_features)
        start = torch.empty(rank, base.in_features).uniform_(-bound, bound, generator=generator)
        device = base.weight.device
        self.lora_A = nn.Parameter(start.to(device))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, device=device))

    @property
    def parameters_of_its_own(self) -> tuple[nn.Parameter, ...]:
        """What is trained of the layer."""
        return self.lora_A, self.lora_B

    @property
    def weight(self) -> torch.Tensor:
        """The whole weight (O, I), for models that use it without calling the layer (Mamba)."""
        base = self.base.weight
        return base + (self.lora_B @ self.lora_A).mul(self.scale).to(base.dtype) if self.on else base

    @property
    def bias(self) -> torch.Tensor | None:
        return self.base.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.on:
            return self.base(x)
        return _LoraProduct.apply(x, self.base, self.lora_A, self.lora_B, self.scale)  # pyright: ignore[reportReturnType]


class DoraLinear(LoraLinear):
    """LoRA on the direction of each row of the weight, and a trained length for it; the norm is held constant in the
    gradient, as the paper's section 4.3 proposes."""

    def __init__(self, base: Any, rank: int, scale: float, generator: torch.Generator) -> None:
        super().__init__(base, rank, scale, generator)
        self.magnitude = nn.Parameter(base.weight.detach().float().norm(dim=1))

    @property
    def parameters_of_its_own(self) -> tuple[nn.Parameter, ...]:
        return self.lora_A, self.lora_B, self.magnitude

    @property
    def weight(self) -> torch.Tensor:
        """As for LoRA."""
        plain = super().weight
        return plain * (self.magnitude / self._length()).to(plain.dtype)[:, None] if self.on else plain

    def _length(self) -> torch.Tensor:
        """The norm of each row, (O,), held constant in the gradient."""
        with torch.no_grad():
            return torch.addmm(self.base.weight.float(), self.lora_B, self.lora_A, alpha=self.scale).norm(dim=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.on:
            return self.base(x)
        length_O = self._length()
        turned = functional.linear(x, self.base.weight)
        turned = (
            turned
            + functional.linear(functional.linear(x, self.lora_A.to(x.dtype)), self.lora_B.to(x.dtype)) * self.scale
        )
        out = turned * (self.magnitude / length_O).to(x.dtype)
        return out if self.base.bias is None else out + self.base.bias


@dataclass(frozen=True)
class Adapter:
    """A trained adapter on the CPU.

    Attributes:
        tensors: For each module name, (A of shape (R, I), B of shape (O, R)), float32.
        rank: R.
        alpha: Updates are scaled by alpha / rank, or alpha / √rank with `rslora`.
        rslora: Rank-stabilised scale (https://arxiv.org/abs/2312.03732).
        magnitudes: With DoRA, the trained length (O,) of each row, by module name.
        bits: The base weights were packed so while this was trained, and are taken so when it is used.
        whole_names: Modules must be named in full to whoever reads the files: by the last parts of their names, others
            would be adapted too (experts beside a shared one).
    """

    tensors: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    rank: int
    alpha: float
    rslora: bool = False
    magnitudes: Mapping[str, torch.Tensor] = field(default_factory=dict)
    bits: Bits | None = None
    whole_names: bool = False

    @property
    def scale(self) -> float:
        return scale_of(self.rank, self.alpha, self.rslora)

    def weights(self, original: Callable[[str], torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
        """(parameter name, new weight in float32) for every changed weight of a model."""
        for name, (a_RI, b_OR) in self.tensors.items():
            weight = original(f"{name}.weight")
            if self.bits:
                weight = rounded(weight, self.bits)
            new = weight.float() + (b_OR.to(weight.device) @ a_RI.to(weight.device)).mul_(self.scale)
            if name in self.magnitudes:
                new *= (self.magnitudes[name].to(weight.device) / new.norm(dim=1))[:, None]
            yield f"{name}.weight", new

    def packed(self, original: Callable[[str], torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
        """(parameter name, value) of the base weights that it was trained on, where those were packed."""
        if self.bits:
            for name in self.tensors:
                yield f"{name}.weight", rounded(original(f"{name}.weight"), self.bits)

    def blended(self, share: float) -> Adapter:
        """The adapter whose update is `share` of this one's: weights between the base's and the trained ones."""
        if self.magnitudes:
            raise UsageError(
                "A DoRA adapter cannot be blended with its base.", "Use method lora, or leave training.blend off."
            )
        return replace(self, tensors={n: (a, b * share) for n, (a, b) in self.tensors.items()})

    def save(self, folder: Path, base_name: str) -> None:
        """Writes PEFT's two files."""
        from safetensors.torch import save

        tensors = {}
        for name, (a, b) in self.tensors.items():
            tensors[f"{_PREFIX}{name}.lora_A.weight"] = a.contiguous()
            tensors[f"{_PREFIX}{name}.lora_B.weight"] = b.contiguous()
        for name, magnitude in self.magnitudes.items():
            tensors[f"{_PREFIX}{name}.lora_magnitude_vector"] = magnitude.contiguous()
        (folder / "adapter_model.safetensors").write_bytes(save(tensors, metadata={"format": "pt"}))
        ends = {n.rsplit(".", 1)[-1] for n in self.tensors}
        config = {
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": base_name,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "bias": "none",
            "inference_mode": True,
            "target_modules": sorted(self.tensors if self.whole_names else ends),
            "use_rslora": self.rslora,
            "use_dora": bool(self.magnitudes),
            **({"postgrad_bits": self.bits} if self.bits else {}),
        }
        (folder / "adapter_config.json").write_text(json.dumps(config, indent=1), "utf-8")


_PREFIX = "base_model.model."
SCORE_KEY = f"{_PREFIX}{SCORE}.weight"
"""A reward model's head in PEFT's file."""
STATE_SPACE = frozenset({"falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h"})
"""Types of models with state-space layers, some of whose products no LoRA of PEFT's may be put on."""


def scale_of(rank: int, alpha: float, rslora: bool) -> float:
    """What a low-rank update is multiplied by."""
    return alpha / math.sqrt(rank) if rslora else alpha / rank


def linear_targets(model: nn.Module, targets: str = "all-linear") -> list[str]:
    """Names of the linear layers to adapt: all but the output head, or those whose last name part is listed.

    Left alone is what adapters in PEFT's files cannot say: routers that answer with more than a product, in state-space
    models the layers that PEFT refuses or passes by, and in mixtures of experts what is called as the experts' matrices
    are, which PEFT takes for those.

    Raises:
        UsageError: a listed name matches no layer, or there is no linear layer.
    """
    head = model.get_output_embeddings()  # pyright: ignore[reportCallIssue]
    kind = getattr(getattr(model, "config", None), "model_type", "")
    refused = ("out_proj", "conv1d", "dt_proj") if kind in STATE_SPACE else ()
    refused += ("gate_proj", "up_proj", "down_proj") if has_experts(model) else ()
    names = [
        n
        for n, m in model.named_modules()
        if isinstance(m, nn.Linear) and m is not head and _is_product(m) and n.rsplit(".", 1)[-1] not in refused
    ]
    if not names:
        raise UsageError(
            f"A model of type {kind!r} has no linear layers of the kind that adapters are made for.",
            "Train all its weights: --method full.",
        )
    if targets == "all-linear":
        return names
    wanted = [part.strip() for part in targets.split(",") if part.strip()]
    ends = sorted({n.rsplit(".", 1)[-1] for n in names})
    if missing := [w for w in wanted if w not in ends] or ([] if wanted else [targets]):
        raise UsageError(
            f"No linear layer is called {missing[0]!r}.", f"This model has: {', '.join(ends)}; or say all-linear."
        )
    return [n for n in names if n.rsplit(".", 1)[-1] in wanted]


def has_experts(model: nn.Module) -> bool:
    """Whether a model is a mixture of experts, whose matrices are parameters of three dimensions."""
    return any("experts" in name and p.dim() == 3 for name, p in model.named_parameters())


def _is_product(layer: nn.Linear) -> bool:
    """Whether a linear layer gives x Wᵀ + b; some that are called so give more (routers)."""
    if type(layer).forward is nn.Linear.forward:
        return True
    x = torch.ones(1, layer.in_features, dtype=layer.weight.dtype, device=layer.weight.device)
    with torch.no_grad():
        out: Any = layer(x)
        return isinstance(out, torch.Tensor) and torch.allclose(out, functional.linear(x, layer.weight, layer.bias))


def attach(
    model: nn.Module,
    *,
    rank: int,
    alpha: float,
    seed: int,
    targets: str = "all-linear",
    rslora: bool = False,
    dora: bool = False,
    bits: Bits | None = None,
) -> dict[str, LoraLinear]:
    """Replaces the targeted layers in place by `LoraLinear`, freezes everything else, and returns the new layers.

    With `bits` the frozen weights are packed and the originals given up: read them again after `detach`.

    Raises:
        UsageError: unknown targets, or a rank below 1.
    """
    if rank < 1:
        raise UsageError(f"An adapter of rank {rank} has nothing to train.", "Usual ranks are 8 to 64.")
    names = linear_targets(model, targets)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    layers: dict[str, LoraLinear] = {}
    for name in names:
        parent, _, last = name.rpartition(".")
        holder = model.get_submodule(parent)
        base: Any = getattr(holder, last)
        if bits:
            packed = QuantizedLinear(base, bits)
            base.weight.data = base.weight.data.new_empty(0)
            base = packed
        layers[name] = (DoraLinear if dora else LoraLinear)(base, rank, scale_of(rank, alpha, rslora), generator)
        setattr(holder, last, layers[name])
    return layers


def beside(model: nn.Module, adapter: Adapter) -> dict[str, LoraLinear]:
    """Replaces an adapter's layers in place by ones that compute it beside the weights, as it was trained, frozen and
    in the weights' precision; empty, and nothing is done, where it is more than low-rank products on linear layers."""
    names = dict(model.named_modules())
    if adapter.magnitudes or not all(isinstance(names.get(n), nn.Linear) for n in adapter.tensors):
        return {}
    layers: dict[str, LoraLinear] = {}
    for name, parts in adapter.tensors.items():
        parent, _, last = name.rpartition(".")
        base: Any = names[name]
        layer = LoraLinear(base, len(parts[0]), adapter.scale, torch.Generator())
        layer.lora_A, layer.lora_B = (nn.Parameter(part.to(base.weight), requires_grad=False) for part in parts)
        layers[name] = layer
        setattr(names[parent], last, layer)
    return layers


def detach(model: nn.Module, layers: Mapping[str, LoraLinear]) -> None:
    """Puts the frozen layers back: the model is as before `attach`, except that packed layers stay packed."""
    for name, layer in layers.items():
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, layer.base)


def taken(
    layers: Mapping[str, LoraLinear],
    alpha: float,
    rslora: bool = False,
    bits: Bits | None = None,
    model: nn.Module | None = None,
) -> Adapter:
    """A copy of the current adapter weights.

    Args:
        model: That the layers belong to; it says whether the last parts of their names tell them from all others.
    """

    def copy(parameter: torch.Tensor) -> torch.Tensor:
        return parameter.detach().float().cpu().clone()

    tensors = {n: (copy(m.lora_A), copy(m.lora_B)) for n, m in layers.items()}
    magnitudes = {n: copy(m.magnitude) for n, m in layers.items() if isinstance(m, DoraLinear)}
    rank = next(iter(tensors.values()))[0].shape[0]
    return Adapter(tensors, rank, alpha, rslora, magnitudes, bits, model is not None and _ambiguous(layers, model))


def _ambiguous(layers: Mapping[str, LoraLinear], model: nn.Module) -> bool:
    """Whether modules of the model that are not adapted end in the name of one that is."""
    ends = {n.rsplit(".", 1)[-1] for n in layers}
    named = {n for n, _ in model.named_modules()} | {n for n, p in model.named_parameters() if p.dim() > 2}
    return any(n.rsplit(".", 1)[-1] in ends and n not in layers for n in named)


def put(layers: Mapping[str, LoraLinear], adapter: Adapter) -> None:
    """Sets the layers to an adapter's weights."""
    with torch.no_grad():
        for name, (a, b) in adapter.tensors.items():
            layers[name].lora_A.copy_(a)
            layers[name].lora_B.copy_(b)


def load_adapter(folder: Path) -> Adapter:
    """Reads PEFT's two files, ours or others'.

    Raises:
        ModelError: not a LoRA adapter, or one with parts that this version cannot apply.
    """
    from safetensors.torch import load_file

    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    odd = [k for k in ("rank_pattern", "alpha_pattern") if config.get(k)]
    odd += ["modules_to_save"] if config.get("modules_to_save") not in (None, [], [SCORE]) else []
    if config.get("peft_type") != "LORA" or odd:
        raise ModelError(
            f"The adapter in {str(folder)!r} is not plain LoRA ({', '.join(odd) or config.get('peft_type')}).",
            "Merge it with the tool that made it, and use the merged folder as --base.",
        )
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(str(folder / "adapter_model.safetensors")).items():
        if key == SCORE_KEY:
            continue  # a reward model's head, which `load_trained` reads
        name, _, part = key.removeprefix(_PREFIX).removesuffix(".weight").rpartition(".")
        parts.setdefault(name, {})[part] = tensor.float()
    if wrong := [n for n, p in parts.items() if set(p) - {"lora_magnitude_vector"} != {"lora_A", "lora_B"}]:
        raise ModelError(f"The adapter in {str(folder)!r} has tensors besides LoRA pairs: {wrong[0]!r}.")
    return Adapter(
        {n: (p["lora_A"], p["lora_B"]) for n, p in parts.items()},
        int(config["r"]),
        float(config["lora_alpha"]),
        bool(config.get("use_rslora")),
        {n: p["lora_magnitude_vector"] for n, p in parts.items() if "lora_magnitude_vector" in p},
        config.get("postgrad_bits"),
    )
