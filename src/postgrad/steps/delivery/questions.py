"""What a model is asked by the parity gate: kept when it is registered, from its own test part."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from postgrad.blobs import Blobs
from postgrad.data.sources.in_memory import InMemory
from postgrad.evaluation.arms import own_prompt
from postgrad.export.parity.questions import Question, own_questions
from postgrad.records import Record, tools_of
from postgrad.registry.catalogue import ModelEntry

FROM_TEST = 24
"""With the house's own questions they are 32."""


def keep_questions(blobs: Blobs, test: Sequence[Record]) -> str:
    """Stores requests of the test part: the shortest and longest ones, and some from everywhere; returns the digest."""
    order = sorted(range(len(test)), key=lambda i: len(test[i].prompt_text))
    step = max(1, len(order) // (FROM_TEST - 4))
    chosen = {**dict.fromkeys(order[:2], "shortest"), **dict.fromkeys(order[-2:], "longest")}
    for place in range(0, len(test), step):
        if len(chosen) < FROM_TEST:
            chosen.setdefault(place, "test")
    asked = [Question(kind, tuple(own_prompt(test[i])), tuple(tools_of(test[i]))) for i, kind in chosen.items()]
    return blobs.put_bytes(json.dumps([q.to_dict() for q in asked if q.messages]).encode())


def questions_of(blobs: Blobs, entry: ModelEntry) -> list[Question]:
    """A model's own questions, where some were kept, and the house's.

    Raises:
        StorageError: they are damaged or missing.
    """
    digest = entry.details.get("probes")
    kept = [Question.from_dict(raw) for raw in json.loads(blobs.get_bytes(digest))] if digest else []
    return [*kept, *own_questions()]


def data_files(files: Sequence[Path | InMemory]) -> list[str]:
    """Where the data lay, for a lineage: files alone; what was in memory has no place."""
    return [str(Path(f).absolute()) for f in files if not isinstance(f, InMemory)]
