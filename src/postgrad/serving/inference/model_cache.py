"""What is in memory: one base model at a time, what a few models have learned, and the proof that the right one is in
place.

Everything here runs in the engine's one computing thread.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch

from postgrad.errors import ModelError
from postgrad.models.adapters.trained_weights import Trained, load_trained
from postgrad.models.base_models import BaseModel
from postgrad.models.canary import PLACES, TEXT, TOKENS, Canary
from postgrad.models.language_model import LanguageModel

MAX_TRAINED = 4
"""What was trained, kept in memory besides the base; the longest unused goes."""
_PROBES = PLACES
_TOLERANCE = 1e-3
_log = logging.getLogger(__name__)


class ModelCache:
    """The model in memory.

    Args:
        folder: Gives the folder of trained weights by their digest.
    """

    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._folder = folder
        self._model: LanguageModel | None = None
        self._trained: OrderedDict[str, Trained] = OrderedDict()
        self._canaries: dict[tuple[str, str], torch.Tensor] = {}
        self._used = time.monotonic()
        self.swap_seconds = 0.0
        self.swaps = 0

    @property
    def name(self) -> str | None:
        """The base in memory."""
        return self._model.name if self._model else None

    def use(self, base: BaseModel, blob: str | None, canary: Canary | None = None) -> LanguageModel:
        """The base with the trained weights put on it (the base alone for None).

        Args:
            base: The base.
            blob: Digest of what was trained.
            canary: What it said when it was trained; None where that was not kept.

        Raises:
            ModelError: it cannot be loaded, or does not answer as when it was first loaded, or as it was trained.
        """
        self._used = time.monotonic()
        if self._model is None or self._model.base is not base:
            self._model = None  # free the old one before the new one is read
            self._model = LanguageModel(base)
        elif self._model.trained_id == blob and (base.name, blob or "") in self._canaries:
            return self._model
        start = time.perf_counter()
        self._put(self._model, blob)
        if not self._same_as_ever(self._model, blob, canary):
            _log.warning("%s with %s does not answer as when it was first loaded; it is read again", base.name, blob)
            self._model = None
            self._trained.pop(blob or "", None)
            self._model = LanguageModel(base)
            self._put(self._model, blob)
            if not self._same_as_ever(self._model, blob, canary):
                self._model = None
                what = f"{base.name!r} with {blob or 'nothing'} on it"
                raise ModelError(f"{what} no longer answers as when it was trained or first loaded.")
        self.swap_seconds, self.swaps = time.perf_counter() - start, self.swaps + 1
        return self._model

    def _put(self, model: LanguageModel, blob: str | None) -> None:
        if blob is None:
            model.use(None)
            return
        if blob not in self._trained:
            self._trained[blob] = load_trained(self._folder(blob))
            if len(self._trained) > MAX_TRAINED:
                self._trained.popitem(last=False)
        self._trained.move_to_end(blob)
        model.use(self._trained[blob], blob)

    def _same_as_ever(self, model: LanguageModel, blob: str | None, canary: Canary | None) -> bool:
        """Compares some logits after a fixed prompt with those at the first load, which are kept; and with those that
        the model had when it was trained."""
        ids = model.renderer.encode(TEXT)[:TOKENS]
        with torch.inference_mode():
            hidden_BTH = model.body(input_ids=torch.tensor([ids], device=model.device.kind))[0]
            logits_V = model.head(hidden_BTH[:, -1])[0].cpu()
        if canary is not None and canary.fault(logits_V, model.device.dtype):
            return False
        probes = logits_V[:: max(1, len(logits_V) // _PROBES)].clone()
        known = self._canaries.setdefault((model.name, blob or ""), probes)
        scale = float(known.abs().max()) or 1.0
        return bool((known - probes).abs().max() <= _TOLERANCE * scale)

    def unload_after(self, seconds: float) -> bool:
        """Gives the memory back when nothing was asked for so long; says whether it did."""
        if self._model is None or time.monotonic() - self._used < seconds:
            return False
        self._model = None
        self._trained.clear()
        return True
