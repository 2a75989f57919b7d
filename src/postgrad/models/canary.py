"""A canary: what a trained model said when it was made, by which whoever serves it later sees that it still does.

It is a fixed text and some logits after it, of the trained model and of its base. It is kept with the model in the
registry, asked when the model is loaded and from time to time; an adapter that is not applied, is another one, or lies
on another base shows in it.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass

import torch

from postgrad.errors import ModelError
from postgrad.models.adapters.trained_weights import Trained
from postgrad.models.faithful import layers_of, tolerance
from postgrad.models.language_model import LanguageModel

TEXT = 'The quick brown fox, 12345; Straße: {"a": [1]}'
TOKENS, PLACES = 32, 256
ALIKE = 0.05
"""What was trained moves the logits by less than that share of their size: too little to tell it from its base."""
SLACK = 4.0
"""Two engines of the same dtype differ by a few roundings; so many times the tolerance of one attention for another."""


class UnfaithfulError(ModelError):
    """A model does not answer as it was trained."""


@dataclass(frozen=True)
class Canary:
    """What was said.

    Attributes:
        ids: Of the text.
        places: Ids whose logits were kept.
        trained: Logits of the trained model.
        base: Logits of its base.
        dtype: In which they were computed.
        layers: Of the model.
    """

    ids: tuple[int, ...]
    places: tuple[int, ...]
    trained: tuple[float, ...]
    base: tuple[float, ...]
    dtype: str
    layers: int

    def to_bytes(self) -> bytes:
        """JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Canary:
        """From `to_bytes`."""
        kept = json.loads(raw)
        lists = [tuple(kept[name]) for name in ("ids", "places", "trained", "base")]
        return cls(*lists, dtype=kept["dtype"], layers=kept["layers"])

    def fault(self, logits_V: torch.Tensor, dtype: str) -> str:
        """What is wrong with a model that says this now, in a few words; empty where nothing is.

        Args:
            logits_V: After the text, of the whole vocabulary.
            dtype: In which they were computed.
        """
        now = logits_V.float().cpu()[list(self.places)]
        trained, base = torch.tensor(self.trained), torch.tensor(self.base)
        size = float((trained - trained.mean()).norm()) or 1.0
        far, to_base, apart = (float((a - b).norm()) / size for a, b in ((now, trained), (now, base), (trained, base)))
        worse = max((dtype, self.dtype), key=lambda name: torch.finfo(getattr(torch, name)).eps)
        allowed = SLACK * tolerance(getattr(torch, worse), self.layers)
        if not math.isfinite(far):
            return "its numbers are none"
        if far <= allowed and (apart <= ALIKE or far < to_base):
            return ""
        if to_base < far:
            return "it answers as its base does: what was trained is not applied"
        return f"it is {100 * far:.1f} % off what it said when it was trained ({100 * allowed:.1f} % are allowed)"


def canary_of(model: LanguageModel, trained: Trained, trained_id: str) -> Canary:
    """The canary of what was trained; it is in place afterwards."""
    model.use(None)
    base = probe_logits(model)
    model.use(trained, trained_id)
    said = probe_logits(model)
    places = list(range(0, len(said), max(1, len(said) // PLACES)))
    return Canary(
        tuple(_ids(model)),
        tuple(places),
        tuple(said[places].tolist()),
        tuple(base[places].tolist()),
        model.device.dtype,
        layers_of(model.module),
    )


def probe_logits(model: LanguageModel) -> torch.Tensor:
    """The logits (V,) after the fixed text."""
    with torch.inference_mode():
        hidden_BTH = model.body(input_ids=torch.tensor([_ids(model)], device=model.device.kind))[0]
        return model.head(hidden_BTH[:, -1])[0].cpu()


def _ids(model: LanguageModel) -> list[int]:
    return model.renderer.encode(TEXT)[:TOKENS]
