"""Models that Ollama has fetched: `ollama:NAME` or `ollama:NAME:TAG` is the GGUF file in its store.

The store (`$OLLAMA_MODELS`, else `~/.ollama/models`) has a manifest for each name, which names its files by their
SHA-256; nothing is asked of a running Ollama.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from postgrad.errors import ModelError

PREFIX = "ollama:"
_WEIGHTS = "application/vnd.ollama.image.model"


def stored_weights(name: str) -> tuple[Path, str]:
    """The GGUF file of a model in Ollama's store, and the SHA-256 that it must have.

    Args:
        name: With the prefix; `library` and `latest` are understood as Ollama does.

    Raises:
        ModelError: the store has no such model, or it is damaged.
    """
    store = Path(os.environ.get("OLLAMA_MODELS") or Path.home() / ".ollama" / "models")
    path, _, tag = name.removeprefix(PREFIX).partition(":")
    owner, _, short = path.rpartition("/")
    manifest = store / "manifests" / "registry.ollama.ai" / (owner or "library") / short / (tag or "latest")
    if not manifest.is_file():
        there = sorted(f"{p.parent.name}:{p.name}" for p in store.glob("manifests/*/*/*/*") if p.is_file())
        raise ModelError(
            f"Ollama's store at {str(store)!r} has no model {name.removeprefix(PREFIX)!r}.",
            f"It has {', '.join(there[:8])}."
            if there
            else "`ollama pull NAME` fetches one; OLLAMA_MODELS names a store.",
        )
    try:
        layers = json.loads(manifest.read_text("utf-8"))["layers"]
        digest = str(next(layer["digest"] for layer in layers if layer["mediaType"] == _WEIGHTS))
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise ModelError(f"The manifest {str(manifest)!r} of Ollama's store names no weights.") from error
    blob = store / "blobs" / digest.replace(":", "-")
    if not blob.is_file():
        raise ModelError(
            f"Ollama's store has no file {blob.name} for {name.removeprefix(PREFIX)!r}.", "Fetch it again: ollama pull."
        )
    return blob, digest.removeprefix("sha256:")
