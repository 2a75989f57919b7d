"""Which models were trained on given records: told by the traces that were kept of their training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.blobs import Blobs
from postgrad.records import Record
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.similarity.training_traces import Trace


@dataclass(frozen=True)
class TrainedOn:
    """What one model had in its training data.

    Attributes:
        known: Whether that is known: older models, and those of raw text, have no trace.
        exact: Records that it was trained on.
        near: Records that it was trained on nearly.
    """

    entry: ModelEntry
    known: bool
    exact: int = 0
    near: int = 0


def trained_on(catalogue: Catalogue, blobs: Blobs, records: Sequence[Record]) -> list[TrainedOn]:
    """Every model, newest first; those that a training went on from count for those that went on from them."""
    asked, out = [r.prompt_text for r in records], list[TrainedOn]()
    for entry in catalogue.list():
        digest = entry.details.get("trace")
        if not digest:
            out.append(TrainedOn(entry, known=False))
            continue
        exact, near = Trace.from_bytes(blobs.get_bytes(digest)).known(asked)
        out.append(TrainedOn(entry, True, len(exact), len(near - exact)))
    return out
