"""Optimisers by name, with float32 copies of weights that are kept in fewer bits; and the schedule of the rate.

`adamw`: torch's, fused. `adamw8bit`: bitsandbytes', moments in 8 bits. `muon`: torch's for matrices
(https://kellerjordan.github.io/posts/muon), AdamW for the rest, with its update scaled to AdamW's size so that one rate
fits both.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch

from postgrad.errors import UsageError

Schedule = Literal["cosine", "linear", "constant"]
FLOOR = 0.1
"""Share of the peak rate at the end of `cosine`; `linear` ends at zero."""


def rate_at(step: int, total: int, peak: float, warmup: float, schedule: Schedule) -> float:
    """Learning rate of a 1-based step: a linear rise over `warmup` of the steps, then the schedule."""
    rise = math.ceil(warmup * total)
    if step <= rise:
        return peak * step / rise
    if schedule == "constant":
        return peak
    share = (step - rise) / max(1, total - rise)
    if schedule == "linear":
        return peak * (1 - (step - rise - 1) / max(1, total - rise))
    return peak * (FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * share)))


class Optimizer:
    """One or more torch optimisers over named parameters.

    Args:
        name: A key of `OPTIMIZERS`.
        parameters: What is trained. Those in bfloat16 or float16 are stepped in float32 copies and rounded after each
            step.
        weight_decay: Decoupled, on matrices only.
    """

    def __init__(self, name: str, parameters: Mapping[str, torch.nn.Parameter], weight_decay: float) -> None:
        self.parameters = dict(parameters)
        self.copies = {n: p.detach().float().clone() for n, p in parameters.items() if p.dtype != torch.float32}
        stepped = {n: torch.nn.Parameter(self.copies[n]) if n in self.copies else p for n, p in parameters.items()}
        self.stepped: dict[str, torch.nn.Parameter] = stepped
        self._inner = OPTIMIZERS[name](stepped, weight_decay)

    def zero_grad(self) -> None:
        for parameter in self.parameters.values():
            parameter.grad = None

    def gradients(self) -> list[torch.nn.Parameter]:
        """What is stepped, with its gradient in float32."""
        for name, value in self.stepped.items():
            if name in self.copies:
                grad = self.parameters[name].grad
                value.grad = None if grad is None else grad.float()
        return list(self.stepped.values())

    def step(self, rate: float) -> None:
        for inner in self._inner:
            for group in inner.param_groups:
                group["lr"] = rate
            inner.step()
        with torch.no_grad():
            for name in self.copies:
                self.parameters[name].copy_(self.stepped[name])

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that decides the next step, by name: `weight/…` and `<moment>/…`."""
        out = {f"weight/{n}": p.detach() for n, p in self.stepped.items()}
        for inner in self._inner:
            for name, parameter in self.stepped.items():
                for key, value in inner.state.get(parameter, {}).items():
                    out[f"{key}/{name}"] = value if isinstance(value, torch.Tensor) else torch.tensor(value)
        return out

    def put(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Sets weights by name, what is stepped in float32 and what is computed with alike."""
        with torch.no_grad():
            for name, value in weights.items():
                self.stepped[name].copy_(value)
                if name in self.copies:
                    self.parameters[name].copy_(value)

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """The inverse of `state`."""
        self.put({name: state[f"weight/{name}"] for name in self.stepped})
        for inner in self._inner:
            own = {id(p) for group in inner.param_groups for p in group["params"]}
            for name, parameter in self.stepped.items():
                moments = {k.split("/", 1)[0]: v for k, v in state.items() if k.split("/", 1)[1] == name}
                moments.pop("weight", None)
                if moments and id(parameter) in own:
                    inner.state[parameter] = {k: _moment(k, v, parameter, inner) for k, v in moments.items()}


def _moment(key: str, value: torch.Tensor, parameter: torch.Tensor, inner: Any) -> Any:
    if key == "step":
        return value if isinstance(inner, torch.optim.AdamW) else int(value)
    return value.to(parameter.device)


def _adamw(parameters: Mapping[str, torch.nn.Parameter], weight_decay: float) -> list[torch.optim.Optimizer]:
    return [torch.optim.AdamW(_groups(parameters, weight_decay), lr=0.0, betas=(0.9, 0.99), fused=True)]


def _adamw8bit(parameters: Mapping[str, torch.nn.Parameter], weight_decay: float) -> list[torch.optim.Optimizer]:
    if importlib.util.find_spec("bitsandbytes") is None:
        raise UsageError(
            "The optimiser adamw8bit needs the package bitsandbytes.", "pip install 'postgrad[gpu]', or use adamw."
        )
    made = importlib.import_module("bitsandbytes.optim").AdamW8bit
    return [made(_groups(parameters, weight_decay), lr=0.0, betas=(0.9, 0.99))]


def _muon(parameters: Mapping[str, torch.nn.Parameter], weight_decay: float) -> list[torch.optim.Optimizer]:
    matrices = {n: p for n, p in parameters.items() if p.ndim == 2 and "embed" not in n and "lm_head" not in n}
    rest = {n: p for n, p in parameters.items() if n not in matrices}
    if not matrices:
        raise UsageError("The optimiser muon has no matrix to train here.", "Take adamw.")
    made: list[torch.optim.Optimizer] = [
        torch.optim.Muon(list(matrices.values()), lr=0.0, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
    ]
    return made + (_adamw(rest, weight_decay) if rest else [])


def _groups(parameters: Mapping[str, torch.nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Decay for matrices, none for norms and biases."""
    matrices, rest = [p for p in parameters.values() if p.ndim > 1], [p for p in parameters.values() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return [g for g in groups if g["params"]]


OPTIMIZERS: dict[str, Callable[[Mapping[str, torch.nn.Parameter], float], list[torch.optim.Optimizer]]] = {
    "adamw": _adamw,
    "adamw8bit": _adamw8bit,
    "muon": _muon,
}
