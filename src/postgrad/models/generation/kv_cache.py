"""Keys and values of past tokens, in buffers that grow by doubling.

transformers' own layer concatenates on every step, which copies the whole cache for each token; this one writes in
place and hands out views. Layers of other kinds (sliding window, linear attention) stay transformers' own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from transformers import PreTrainedConfig
from transformers.cache_utils import DynamicCache, DynamicLayer, DynamicSlidingWindowLayer

from postgrad.models.faithful import furthest, layers_of, probe_ids, tolerance
from postgrad.models.language_model import LanguageModel

_checked: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()
_UNLIKE = (TypeError, ValueError, AttributeError, RuntimeError, NotImplementedError)
"""What a model's own code raises that is not asked as it expects."""
_BY_LENGTH = {"longrope", "dynamic", "su"}
"""Rotations of positions that change with the length of what is read."""
_in_parts: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


class GrowingLayer(DynamicLayer):
    """A cache layer of shape (rows, heads, time, head size) whose time axis has spare room."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = 0
        self._room_keys: torch.Tensor | None = None
        self._room_values: torch.Tensor | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self._room_keys = _appended(self._room_keys, key_states, self.length)
        self._room_values = _appended(self._room_values, value_states, self.length)
        self.length += key_states.shape[-2]
        self.keys = self._room_keys[:, :, : self.length]
        self.values = self._room_values[:, :, : self.length]
        return self.keys, self.values

    def select(self, rows: torch.Tensor) -> None:
        """Keeps (or repeats) the given rows."""
        if self.keys is not None and self.values is not None:
            self._room_keys = self.keys[rows]
            self._room_values = self.values[rows]
            self.keys, self.values = self._room_keys, self._room_values


def _appended(room: torch.Tensor | None, new: torch.Tensor, length: int) -> torch.Tensor:
    needed = length + new.shape[-2]
    if room is None or needed > room.shape[-2]:
        grown = new.new_empty(*new.shape[:2], needed + max(32, needed // 4), new.shape[-1])
        if room is not None:
            grown[:, :, :length] = room[:, :, :length]
        room = grown
    room[:, :, length:needed] = new
    return room


def growing_cache(config: PreTrainedConfig) -> DynamicCache:
    """An empty cache for a model's config."""
    cache = DynamicCache(config=config)
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def keeps_all(config: PreTrainedConfig, tokens: int) -> bool:
    """Whether every layer keeps all of so many tokens; in a sliding window, padding after a shared beginning uses up
    room."""
    layers: list[Any] = growing_cache(config).layers
    return all(isinstance(n, GrowingLayer) or getattr(n, "sliding_window", 0) > tokens for n in layers)


def select_rows(cache: DynamicCache, rows: torch.Tensor) -> None:
    """Keeps (or repeats) rows of every layer."""
    layers: list[Any] = cache.layers
    for layer in layers:
        if isinstance(layer, GrowingLayer):
            layer.select(rows)
        elif getattr(layer, "is_initialized", True):  # recurrent states are either there or not, and say so themselves
            layer.reorder_cache(rows)


def copied(cache: DynamicCache, config: PreTrainedConfig, rows: int) -> DynamicCache:
    """A new cache in which the single row of `cache` stands `rows` times."""
    fresh = growing_cache(config)
    pairs: Any = zip(cache.layers, fresh.layers, strict=True)
    for old, new in pairs:
        if getattr(old, "is_initialized", False) and old.keys is not None:
            new.update(old.keys.expand(rows, -1, -1, -1), old.values.expand(rows, -1, -1, -1))
            if hasattr(old, "cumulative_length"):  # a sliding window keeps fewer tokens than it has seen
                new.cumulative_length = old.cumulative_length
    return fresh


def read_on(
    model: LanguageModel,
    ids_BT: torch.Tensor,
    cache: DynamicCache,
    mask_BS: torch.Tensor | None = None,
    positions_BT: torch.Tensor | None = None,
) -> torch.Tensor:
    """Reads more tokens (B, T) after those in the cache, by the model's own code: hidden states (B, T, H).

    Args:
        mask_BS: 1 where a token is real, of all tokens so far; None where all are.
        positions_BT: Places of the tokens; those after the cached ones where None.
    """
    known, anything = _taken_by(type(model.body))
    given = {"attention_mask": mask_BS, "position_ids": positions_BT, "use_cache": True}
    given["past_key_values" if "past_key_values" in known else "cache_params"] = cache
    return model.body(
        input_ids=ids_BT, **{n: v for n, v in given.items() if v is not None and (anything or n in known)}
    )[0]


@functools.cache
def _taken_by(kind: type[torch.nn.Module]) -> tuple[frozenset[str], bool]:
    """Names of what a body takes, and whether it takes anything else; looked up once, not at every token."""
    known = inspect.signature(kind.forward).parameters
    return frozenset(known), any(p.kind is p.VAR_KEYWORD for p in known.values())


def keeps_right(model: LanguageModel) -> bool:
    """Whether the model's own code gives, token by token after its cache, what it gives for the whole at once; for rows
    of other lengths, and after some have gone. Looked at once a model."""
    if model.module not in _checked:
        try:
            _checked[model.module] = _agrees(model)
        except _UNLIKE:
            _checked[model.module] = False
    return _checked[model.module]


def reads_in_parts(model: LanguageModel) -> bool:
    """Whether the model's own code may read a prompt in several parts, each after the cache of those before it: all of
    its layers are attention, its positions do not hang on how long the whole is, and the parts give what the whole
    gives. Looked at once a model."""
    if model.module not in _in_parts:
        config = model.module.config
        layers: list[Any] = growing_cache(config).layers
        attention = bool(layers) and all(type(n) in (GrowingLayer, DynamicSlidingWindowLayer) for n in layers)
        may = attention and not _rotations(config.to_dict()) & _BY_LENGTH and keeps_right(model)
        try:
            _in_parts[model.module] = may and _parts_agree(model)
        except _UNLIKE:
            _in_parts[model.module] = False
    return _in_parts[model.module]


def _rotations(config: Any) -> set[str]:
    """The kinds of rotation that a config names, wherever it does."""
    if not isinstance(config, dict):
        return set()
    own = {str(config[name]) for name in ("rope_type", "type") if isinstance(config.get(name), str)}
    return own.union(*(_rotations(inside) for inside in config.values()))


@torch.inference_mode()
def _parts_agree(model: LanguageModel) -> bool:
    ids, cache = probe_ids(model.module)[:1], growing_cache(model.module.config)
    parts = [read_on(model, part, cache)[:, -1] for part in ids.split([11, 7, ids.shape[1] - 18], dim=1)]
    whole = model.body(input_ids=ids, use_cache=False)[0][0, [10, 17, -1]]
    return furthest(torch.cat(parts), whole) <= 2 * tolerance(whole.dtype, layers_of(model.module))


@torch.inference_mode()
def _agrees(model: LanguageModel) -> bool:
    ids = probe_ids(model.module)[0]
    short, long = ids[:7], ids[7:19]
    pad = len(long) - len(short)
    rows = torch.stack([torch.cat([ids.new_zeros(pad), short]), long])
    mask = torch.ones_like(rows)
    mask[0, :pad] = 0
    cache = growing_cache(model.module.config)
    ours = [read_on(model, rows, cache, mask, (mask.cumsum(1) - 1).clamp_(min=0))[:, -1]]
    more = ids[40:44].view(2, 2)
    mask = torch.cat([mask, mask.new_ones(2, 1)], 1)
    ours.append(read_on(model, more[:, :1], cache, mask, mask.sum(1, keepdim=True) - 1)[:, -1])
    select_rows(cache, torch.tensor([0], device=ids.device))
    mask = torch.cat([mask[:1], mask.new_ones(1, 1)], 1)
    ours.append(read_on(model, more[:1, 1:], cache, mask, mask.sum(1, keepdim=True) - 1)[:, -1])
    whole = [torch.cat([short, more[0]]), torch.cat([long, more[1, :1]])]
    theirs = [model.body(input_ids=row[None], use_cache=False)[0][0] for row in whole]
    right = torch.stack([theirs[0][-3], theirs[1][-2], theirs[0][-2], theirs[1][-1], theirs[0][-1]])
    return furthest(torch.cat(ours), right) <= 2 * tolerance(right.dtype, layers_of(model.module))


def ends_of(model: LanguageModel, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Hidden states (B, H) of the last tokens of rows that are read whole: what a model is computed by whose cache is
    not understood. Padding stands on the right, where causal models do not see it."""
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *([0] * (width - len(row)))] for row in rows], device=model.device.kind)
    hidden = model.body(input_ids=ids, use_cache=False)[0]
    return hidden[torch.arange(len(rows)), torch.tensor([len(r) - 1 for r in rows])]
