"""Text embeddings that need no network and no torch: the static vectors that travel inside the PyPI package `wordllama`.

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
            "The package wordllama, which carries the offline embeddings, is not installed.", "pip install wordllama"
        )
    root = Path(spec.origin).parent
    tokenizer = Tokenizer.from_file(str(root / "tokenizers" / "l2_supercat_tokenizer_config.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    with safe_open(str(root / "weights" / "l2_supercat_256.safetensors"), "np") as file:
        return tokenizer, file.get_tensor("embedding.weight").astype(np.float32)


def embed(texts: Sequence[str]) -> np.ndarray:
    """Unit vectors, float32 of shape (texts, 256): the mean of the token vectors, normalised."""
    tokenizer, table = _parts()
    out = np.zeros((len(texts), table.shape[1]), dtype=np.float32)
    for i, encoding in enumerate(tokenizer.encode_batch(list(texts), add_special_tokens=False)):
        if encoding.ids:
            out[i] = table[encoding.ids].mean(axis=0)
    norms = np.linalg.norm(out, axis=1, keepdims=True)
    return out / np.maximum(norms, 1e-9)


def count_tokens(texts: Sequence[str]) -> list[int]:
    """Tokens of each text, those behind `MAX_TOKENS` too."""
    encodings = _parts()[0].encode_batch(list(texts), add_special_tokens=False)
    return [len(e.ids) + sum(len(o.ids) for o in e.overflowing) for e in encodings]
