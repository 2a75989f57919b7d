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

from postgrad.models.adapters.trained_weights import Trained, load_trained
from postgrad.models.base_models import BaseModel
from postgrad.models.canary import PLACES, Canary, UnfaithfulError, probe_logits
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
        self._canary: Canary | None = None
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
            ModelError: it cannot be loaded.
            UnfaithfulError: it does not answer as when it was first loaded, or as it was trained.
        """
        self._used = time.monotonic()
        if self._model is None or self._model.base is not base:
            self._model = None  # free the old one before the new one is read
            self._model = LanguageModel(base)
        elif self._model.trained_id == blob and (base.name, blob or "") in self._canaries:
            return self._model
        start = time.perf_counter()
        self._put(self._model, blob)
        self._canary = canary
        if self._differs(self._model, blob, canary):
            _log.warning("%s with %s does not answer as when it was first loaded; it is read again", base.name, blob)
            self._model = None
            self._trained.pop(blob or "", None)
            self._model = LanguageModel(base)
            self._put(self._model, blob)
            if fault := self._differs(self._model, blob, canary):
                self._model.use(None)  # the base is sound: others go on with it
                self._canary = None
                raise UnfaithfulError(
                    f"{base.name!r} with {blob or 'nothing'} on it no longer answers as ever: {fault}."
                )
        self.swap_seconds, self.swaps = time.perf_counter() - start, self.swaps + 1
        return self._model

    @property
    def placed(self) -> str | None:
        """What is put into the base's own weights; None for nothing."""
        return self._model.trained_id if self._model is not None else None

    def fault(self) -> tuple[str, str] | None:
        """(digest, what is wrong) of the model in place, by its canary; None where nothing is, or nothing was kept."""
        if self._model is None or self._canary is None or (blob := self._model.trained_id) is None:
            return None
        fault = self._canary.fault(probe_logits(self._model), self._model.device.dtype)
        return (blob, fault) if fault else None

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

    def _differs(self, model: LanguageModel, blob: str | None, canary: Canary | None) -> str:
        """How a model differs from when it was trained, or first loaded; empty where it does not. What it says when it
        is first loaded is kept."""
        logits_V = probe_logits(model)
        if canary is not None and (fault := canary.fault(logits_V, model.device.dtype)):
            return fault
        probes = logits_V[:: max(1, len(logits_V) // _PROBES)].clone()
        known = self._canaries.setdefault((model.name, blob or ""), probes)
        scale = float(known.abs().max()) or 1.0
        same = bool((known - probes).abs().max() <= _TOLERANCE * scale)
        return "" if same else "its numbers are others than when it was first loaded"

    def unload_after(self, seconds: float) -> bool:
        """Gives the memory back when nothing was asked for so long; says whether it did."""
        if self._model is None or time.monotonic() - self._used < seconds:
            return False
        self._model = None
        self._trained.clear()
        return True
