"""Text embeddings that need no network and no torch: the static vectors that travel inside the PyPI package
`wordllama`.

Its own loader misses its bundled tokenizer file, so the two files are opened directly.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postgrad.errors import ModelError

_BATCH = 4096
"""Texts tokenized at once: all cores have work, and what the tokenizer hands back stays below some 50 MB."""
SIZE = 256
"""Numbers in a vector."""
MAX_TOKENS = 2048
"""Of a text; what is behind them does not count."""


@functools.lru_cache(maxsize=1)
def _parts() -> tuple[Any, np.ndarray]:
    from safetensors import safe_open
    from tokenizers import Tokenizer

    spec = importlib.util.find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise ModelError(
            "The package wordllama, which contains the offline embeddings, is not installed.", "pip install wordllama"
        )
    root = Path(spec.origin).parent
    tokenizer = Tokenizer.from_file(str(root / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    with safe_open(str(root / "weights" / "l2_supercat_256.safetensors"), "np") as file:
        return tokenizer, file.get_tensor("embedding.weight").astype(np.float32)


def embed(texts: Sequence[str], *, dtype: type = np.float32) -> np.ndarray:
    """Unit vectors of shape (texts, 256): the mean of the token vectors, normalised; zeros for a text without tokens.

    Args:
        texts: Any number; besides the result the memory needed does not grow with it.
        dtype: `np.float16` halves what a million texts take (512 MB); products need float32 again.
    """
    tokenizer, table = _parts()
    out = np.zeros((len(texts), table.shape[1]), dtype=dtype)
    for start in range(0, len(texts), _BATCH):
        encodings = tokenizer.encode_batch_fast(list(texts[start : start + _BATCH]), add_special_tokens=False)
        out[start : start + len(encodings)] = _means([e.ids for e in encodings], table)
    return out


def _means(ids: list[list[int]], table: np.ndarray) -> np.ndarray:
    """The normalised mean vector of each list of tokens."""
    means = np.zeros((len(ids), table.shape[1]), dtype=np.float32)
    for row, tokens in enumerate(ids):
        if tokens:
            means[row] = table[tokens].mean(axis=0)
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Tokens of each text, those behind `MAX_TOKENS` too."""
    encodings = _parts()[0].encode_batch(list(texts), add_special_tokens=False)
    return [len(e.ids) + sum(len(o.ids) for o in e.overflowing) for e in encodings]
