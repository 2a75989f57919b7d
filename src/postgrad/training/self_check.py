"""Which of the ways of computing a microbatch are right for a model: checked before the first step against the model's
own eager code, on the user's own examples.

Compared are hidden states token by token, on short examples and on the longest one, beyond any window that layers see;
gradients of a random sum of them, with adapters stirred, since fresh ones change nothing; and that nothing of one
example reaches another that shares its row.

Shapes: N positions, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import torch

from postgrad.errors import ModelError
from postgrad.models.adapters.lora import LoraLinear, has_experts
from postgrad.models.device import is_out_of_memory
from postgrad.models.faithful import furthest, in_plain_code, layers_of, tolerance, window_of
from postgrad.models.generation.generate import shared_beginning
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Rendered

LONG = 384
"""The longest example is cut to so many tokens, or to so many beyond the shortest window."""
SHORT = 96
"""Examples whose gradients are compared are cut to so many tokens."""
SLOPE = 2
"""Gradients may differ so many times more than hidden states: they are rounded on the way back too."""
STIRRED = 0.02
"""Standard deviation of the noise on adapters that are still at zero: updates of about a tenth of the weights."""
_right: WeakKeyDictionary[Any, dict[tuple[object, ...], str]] = WeakKeyDictionary()


def first_right(
    model: LanguageModel,
    ways: Sequence[str],
    states: Callable[[str, Sequence[Rendered]], torch.Tensor],
    examples: Sequence[Rendered],
) -> str:
    """The first of the ways that computes as the model's own eager code does.

    Args:
        ways: From the fastest to the slowest.
        states: (N, H) hidden states before the supervised tokens, by a way, of examples that may share a row.
        examples: Of the training.

    Raises:
        ModelError: none of them does.
    """
    longest = max(len(e.ids) for e in examples)
    trained = sum(p.numel() for p in model.module.parameters() if p.requires_grad)
    key = (*ways, model.attention, trained, min(longest, _long(model)))
    known = _right.setdefault(model.module, {})
    if key not in known:
        known[key] = _first_right(model, ways, states, examples)
    return known[key]


def _first_right(
    model: LanguageModel,
    ways: Sequence[str],
    states: Callable[[str, Sequence[Rendered]], torch.Tensor],
    examples: Sequence[Rendered],
) -> str:
    by_length = sorted((e for e in examples if len(e.ids) > 1), key=lambda e: len(e.ids))
    if not by_length:
        return ways[-1]  # one token alone predicts nothing
    picked = (*by_length[:2], by_length[-1])
    shared = shared_beginning([e.ids[: _long(model)] for e in picked])
    seen = [_all_learned(e, _long(model), shared) for e in picked]
    apart = [_all_learned(e, SHORT, 0) for e in picked[:2]]  # the same where nothing is shared
    taught = [_all_learned(e, SHORT, min(shared, SHORT // 2)) for e in picked[:2]]
    kind = model.device.torch_dtype
    most = tolerance(kind, layers_of(model.module))
    with _stirred(model.module):
        with in_plain_code(model.module):
            truth, other = (_quietly(lambda b=b: torch.cat([_alone(model, e) for e in b])) for b in (seen, apart))
            slopes = _slopes(model, lambda: torch.cat([_alone(model, e) for e in taught]))
        for way in ways:
            try:
                if furthest(_quietly(lambda w=way: states(w, seen)), truth) > most:
                    continue
                if shared and furthest(_quietly(lambda w=way: states(w, apart)), other) > most:
                    continue
                if way != "padded" and _leaks(model, lambda batch, w=way: states(w, batch), seen):
                    continue
                if _apart(_slopes(model, lambda w=way: states(w, taught)), slopes) <= SLOPE * most:
                    return way
            except (ModelError, RuntimeError, TypeError) as error:
                if way == ways[-1] or (isinstance(error, RuntimeError) and is_out_of_memory(error)):
                    raise
    raise ModelError(
        f"A model of type {model.module.config.model_type!r} is not computed right here: hidden states or gradients"
        " differ from those of its own code.",
        "Nothing was trained. Please report the model; another base will do meanwhile.",
    )


def _long(model: LanguageModel) -> int:
    return (window_of(model.module.config) or 0) + LONG


def _all_learned(example: Rendered, most: int, shared: int) -> Rendered:
    """The example's first tokens, each of them after a shared beginning to be predicted; the last one at least."""
    ids = example.ids[:most]
    shared = min(shared, len(ids) - 2)
    return replace(example, ids=ids, weights=tuple(float(t > shared) for t in range(len(ids))))


def _alone(model: LanguageModel, example: Rendered) -> torch.Tensor:
    """(N, H) hidden states before the tokens to be predicted, of an example by itself."""
    ids = torch.tensor([example.ids], device=model.device.kind)
    return model.body(input_ids=ids, use_cache=False)[0][0, example.weights.index(1.0) - 1 : -1]


def _quietly(compute: Callable[[], torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return compute()


def _slopes(model: LanguageModel, compute: Callable[[], torch.Tensor]) -> list[torch.Tensor]:
    """Gradients of a fixed random sum of the hidden states; the parameters' own gradients stay as they are."""
    trained = _some(model.module)
    if not trained:
        return []
    with torch.enable_grad():
        hidden = compute()
        drawn = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(5)).to(hidden)
        found = torch.autograd.grad((hidden.float() * drawn.float()).sum(), trained, allow_unused=True)
    return [torch.zeros(()) if g is None else g.float() for g in found]


def _some(module: torch.nn.Module) -> list[torch.nn.Parameter]:
    """Trained parameters whose gradients are compared: those of adapters. Where whole weights are trained, hidden
    states alone decide: one backward pass beforehand was seen to cost as much memory as the weights."""
    adapted = any(isinstance(m, LoraLinear) for m in module.modules())
    return [p for p in module.parameters() if p.requires_grad] if adapted else []


def _apart(ours: Sequence[torch.Tensor], theirs: Sequence[torch.Tensor]) -> float:
    """Size of the difference of two gradients, relative to the second."""
    if not theirs:
        return 0.0
    off = sum(float((a - b).square().sum()) for a, b in zip(ours, theirs, strict=True))
    size = sum(float(b.square().sum()) for b in theirs)
    return float("inf") if off != off else (off / max(size, 1e-30)) ** 0.5


def _leaks(
    model: LanguageModel, states: Callable[[Sequence[Rendered]], torch.Tensor], examples: Sequence[Rendered]
) -> bool:
    """Whether another first example changes what is computed for the second.

    To the bit, but for mixtures of experts: there the tokens of all examples are multiplied together, and another
    number of them is another order of sums.
    """
    first, second = examples[0], examples[1]
    shared = shared_beginning([first.ids, second.ids])
    count = int(model.module.config.get_text_config().vocab_size)
    others = tuple(t if i < shared else (t + 1) % count for i, t in enumerate(first.ids))
    before, after = (
        _quietly(lambda ids=ids: states([replace(first, ids=ids), second])[-(len(second.ids) - 1 - shared) :])
        for ids in (first.ids, others)
    )
    if has_experts(model.module):
        return furthest(before, after) > tolerance(before.dtype, 1)
    return not torch.equal(before, after)


@contextmanager
def _stirred(module: torch.nn.Module) -> Iterator[None]:
    """Adapters that change something inside the block, and are to the bit what they were after it."""
    layers = [m for m in module.modules() if isinstance(m, LoraLinear)]
    before = [layer.lora_B.detach().clone() for layer in layers]
    generator = torch.Generator().manual_seed(11)
    try:
        with torch.no_grad():
            for layer in layers:
                noise = torch.randn(layer.lora_B.shape, generator=generator) * STIRRED
                layer.lora_B.add_(noise.to(layer.lora_B))
        yield
    finally:
        with torch.no_grad():
            for layer, value in zip(layers, before, strict=True):
                layer.lora_B.copy_(value)
