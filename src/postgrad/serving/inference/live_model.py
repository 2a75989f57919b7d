"""The base model in memory with the requests that grow on it together, each with its own adapter.

Everything here runs in the engine's one computing thread. No adapter is ever put into the base's weights, so none can
be left there: what a row's adapter adds is computed for that row alone.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import torch

from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.canary import Canary, UnfaithfulError
from postgrad.models.fused.decoder import FusedDecoder, Room, decoder_of
from postgrad.models.fused.low_rank import LowRank, low_rank_of
from postgrad.models.generation.incremental import GrowingAnswer, Piece, choosers
from postgrad.models.generation.live import LiveBatch, LiveRow
from postgrad.models.language_model import LanguageModel
from postgrad.serving.inference.prepared import PreparedRequest

ADAPTER_BYTES = 1 << 30
"""Adapters in memory take at most so much; the longest unused goes first."""


class LiveModel:
    """A base model that is computed by hand.

    Args:
        model: Its weights are the base's.
        decoder: Computes it.
        folder: Gives the folder of trained weights by their digest.

    Attributes:
        broken: A step failed; nothing that grew here is believed.
    """

    def __init__(self, model: LanguageModel, decoder: FusedDecoder, folder: Callable[[str], Path]) -> None:
        self.model, self._decoder, self._folder = model, decoder, folder
        self._canaries: dict[str, Canary] = {}
        self.batch = LiveBatch(model, decoder)
        self._adapters: OrderedDict[str, LowRank] = OrderedDict()
        self.broken = False

    @classmethod
    def of(cls, model: LanguageModel, folder: Callable[[str], Path]) -> LiveModel | None:
        """None where the model is of another shape, and answers by its own code."""
        decoder = decoder_of(model)
        if decoder is None:
            return None
        decoder.pack()
        return cls(model, decoder, folder)

    def begin(self, asked: PreparedRequest) -> LiveAnswers | None:
        """A request among the others; None where what was trained must be put into the weights.

        Raises:
            ModelError: the folder holds no trained weights, or what it holds does not answer as it was trained.
        """
        blob = asked.served.blob
        adapter = self._adapter(blob, asked.served.canary) if blob else None
        return None if blob and adapter is None else LiveAnswers(self, asked, adapter)

    def fault(self, blob: str) -> str:
        """What is wrong with an adapter in memory, by its canary; empty where nothing is, or nothing was kept."""
        canary, adapter = self._canaries.get(blob), self._adapters.get(blob)
        return self._fault(adapter, canary) if canary is not None and adapter is not None else ""

    def _fault(self, adapter: LowRank, canary: Canary) -> str:
        ids = list(canary.ids)
        with torch.inference_mode():
            hidden_BH = self._decoder.prefill([ids], [(Room(self._decoder, 1, len(ids)), 0)], [adapter])
            logits_V = self._decoder.logits(hidden_BH)[0]
        return canary.fault(logits_V, self.model.device.dtype)

    @property
    def adapters(self) -> list[str]:
        """Those in memory, by the digests of their blobs."""
        return list(self._adapters)

    def _adapter(self, blob: str, canary: Canary | None) -> LowRank | None:
        if blob not in self._adapters:
            found = low_rank_of(load_trained(self._folder(blob)), self.model.module, self._decoder.groups)
            if found is None:
                return None
            if canary is not None and (fault := self._fault(found, canary)):
                raise UnfaithfulError(fault)
            self._adapters[blob] = found
            if canary is not None:
                self._canaries[blob] = canary
            while sum(a.bytes for a in self._adapters.values()) > ADAPTER_BYTES and len(self._adapters) > 1:
                self._canaries.pop(self._adapters.popitem(last=False)[0], None)
        self._adapters.move_to_end(blob)
        return self._adapters[blob]


class LiveAnswers:
    """The answers of one request among those that grow together.

    Args:
        live: Computes them.
        asked: The request.
        adapter: Of the model that is asked; None for the base.
    """

    def __init__(self, live: LiveModel, asked: PreparedRequest, adapter: LowRank | None) -> None:
        self._live, self._began = live, time.perf_counter()
        self._grown: list[GrowingAnswer] = []
        self._rows: list[LiveRow] = []
        decoding, of = asked.decoding, (asked.served.blob, asked.served.owner)
        for index, chooser in enumerate(choosers(decoding, asked.steering, asked.count)):
            row = LiveRow(index, asked.prompt, chooser, decoding=decoding, adapter=adapter, of=of)
            self._rows.append(row)
            self._grown.append(GrowingAnswer(live.model, row, chooser, decoding, special=asked.steering.special))
        live.batch.add(self._rows)

    def next(self) -> tuple[Piece, ...] | None:
        """What is new, after one step of all rows where nothing has come yet; None at the end.

        Raises:
            Exception: what went wrong with this request, or with the step.
        """
        if all(one.over for one in self._grown):
            return None
        fresh = self._fresh()
        if not fresh:
            self._live.broken = True
            self._live.batch.step()
            self._live.broken = False
            fresh = self._fresh()
        return fresh

    def _fresh(self) -> tuple[Piece, ...]:
        if fault := next((row.fault for row in self._rows if row.fault is not None), None):
            raise fault
        seconds = (time.perf_counter() - self._began) / len(self._grown)
        return tuple(piece for one in self._grown if (piece := one.fresh(seconds)) is not None)

    def close(self) -> None:
        """Gives up what is unfinished."""
        self._live.batch.drop([row for row in self._rows if not row.finish])
