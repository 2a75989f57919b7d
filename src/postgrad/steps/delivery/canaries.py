"""The canary of a model that is about to be registered."""

from __future__ import annotations

from postgrad.blobs import Blobs
from postgrad.models.adapters.trained_weights import Trained
from postgrad.models.canary import canary_of
from postgrad.models.language_model import LanguageModel


def keep_canary(blobs: Blobs, model: LanguageModel, trained: Trained, blob: str) -> str:
    """Stores what the trained model says to a fixed text; returns the digest. What was trained is in place then."""
    return blobs.put_bytes(canary_of(model, trained, blob).to_bytes())
