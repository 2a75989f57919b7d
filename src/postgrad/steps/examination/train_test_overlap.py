"""How much of a test a model has seen in training: told by the trace that was kept when it was registered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from postgrad.blobs import Blobs
from postgrad.data.load import data_hash
from postgrad.measures import ArmResult
from postgrad.records import Record
from postgrad.registry.catalogue import ModelEntry
from postgrad.similarity.training_traces import Trace


@dataclass(frozen=True)
class Overlap:
    """What one model had in its training data.

    Attributes:
        known: Places of test examples that it was trained on, or nearly.
        sentence: What a reader must know; empty where nothing is the matter.
    """

    known: frozenset[int] = frozenset()
    sentence: str = ""


def overlap(blobs: Blobs, entry: ModelEntry, test: Sequence[Record]) -> Overlap:
    """What of these examples the model was trained on."""
    digest = entry.details.get("trace")
    if not digest:
        if entry.data_hash == data_hash(test):
            everything = frozenset(range(len(test)))
            return Overlap(
                everything, f"{entry.id} was trained on exactly this data: its score shows memory, not skill."
            )
        return Overlap(
            frozenset(),
            f"It is not known whether {entry.id} was trained on any of these examples: no fingerprint of its training"
            " data was stored.",
        )
    exact, near = Trace.from_bytes(blobs.get_bytes(digest)).known([r.prompt_text for r in test])
    if not exact and not near:
        return Overlap()
    parts = [f"{len(exact)} of the {len(test)} test examples are in its training data"] if exact else []
    if near:
        nearly = f"{len(near)} nearly are"
        parts.append(
            nearly if exact else f"{len(near)} of the {len(test)} test examples are nearly in its training data"
        )
    return Overlap(frozenset(exact | near), f"{entry.id}: {', '.join(parts)}; a score on them shows memory, not skill.")


def unseen_sentence(result: ArmResult, known: frozenset[int]) -> str:
    """The score on the examples that the model had not seen."""
    rest = [score for place, score in enumerate(result.scores) if place not in known]
    if not known:
        return ""
    if not rest:
        return f"No example is left that {result.name} was not trained on."
    return f"On the {len(rest)} other examples {result.name} scores {100 * sum(rest) / len(rest):.1f} %."


@dataclass
class Overlaps:
    """Of several models, by the registered name."""

    found: dict[str, Overlap] = field(default_factory=dict)

    def by_place(self) -> Mapping[int, list[str]]:
        """The models that knew each place."""
        out: dict[int, list[str]] = {}
        for name, one in self.found.items():
            for place in sorted(one.known):
                out.setdefault(place, []).append(name)
        return out
