"""A folder of safetensors in MLX (`mlx-lm`), on Apple's processors and on Linux's: an optional engine."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postgrad.export.engines.optional import logprobs_of
from postgrad.export.engines.tokens import FolderTokens
from postgrad.export.parity.contestant import Said
from postgrad.records import Message, ToolDefinition


def at_hand() -> bool:
    """Whether mlx-lm is installed."""
    return importlib.util.find_spec("mlx_lm") is not None


class MlxModel:
    """A folder in MLX.

    Args:
        folder: Of the export.
    """

    def __init__(self, folder: Path) -> None:
        import mlx_lm.models.cache  # pyright: ignore[reportMissingImports]

        self.name = f"MLX (mlx-lm {mlx_lm.__version__})"
        self._model: Any = mlx_lm.load(str(folder))[0]
        self._cache = mlx_lm.models.cache.make_prompt_cache
        self._tokens = FolderTokens(folder)

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        return self._tokens.prompt(messages, tools)

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        return logprobs_of(self._logits(ids), ids, begin)

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        ids, out = list(self._tokens.prompt(messages, tools)), list[int]()
        cache = self._cache(self._model)
        fresh = ids
        while len(out) < most:
            out.append(int(self._logits(fresh, cache)[-1].argmax()))
            fresh = out[-1:]
            text, ended = self._tokens.said(out)
            if ended:
                return Said(tuple(out), text, "stop")
        return Said(tuple(out), self._tokens.said(out)[0], "length")

    def _logits(self, ids: Sequence[int], cache: Any = None) -> np.ndarray:
        """Of all ids, or of the last alone where they are read after a cache."""
        import mlx.core as mx  # pyright: ignore[reportMissingImports]

        found = self._model(mx.array([list(ids)]), cache=cache)[0]
        return np.array((found if cache is None else found[-1:]).astype(mx.float32))
