"""Keys and values of past tokens, in buffers that grow by doubling.

transformers' own layer concatenates on every step, which copies the whole cache for each token; this one writes in
place and hands out views. Layers of other kinds (sliding window, linear attention) stay transformers' own.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedConfig
from transformers.cache_utils import DynamicCache, DynamicLayer


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
        elif layer.is_initialized:
            layer.reorder_cache(rows)


def copied(cache: DynamicCache, config: PreTrainedConfig, rows: int) -> DynamicCache:
    """A new cache in which the single row of `cache` stands `rows` times."""
    fresh = growing_cache(config)
    pairs: Any = zip(cache.layers, fresh.layers, strict=True)
    for old, new in pairs:
        if old.is_initialized and old.keys is not None:
            new.update(old.keys.expand(rows, -1, -1, -1), old.values.expand(rows, -1, -1, -1))
            if hasattr(old, "cumulative_length"):  # a sliding window keeps fewer tokens than it has seen
                new.cumulative_length = old.cumulative_length
    return fresh
