"""Records that were made, not collected: how they are marked, and where they may go. Never into validation or test.

The mark is `meta["synthetic"] = {"method", "of", "teacher"}`; `of` names the original by `origin_hash` (a list where
there are several), so that a made record is known again whatever file it comes back from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from postgrad.json_types import JsonObject
from postgrad.records import Record
from postgrad.similarity.near_duplicates import exact_key, near_duplicate_clusters

MARK = "synthetic"
Refusal = Literal[
    "synthetic_in_held_out", "synthetic_without_original", "synthetic_of_held_out", "synthetic_near_held_out"
]
REASONS: dict[Refusal, str] = {
    "synthetic_in_held_out": "given for validation or test, where only collected records are allowed",
    "synthetic_without_original": ("their originals are missing, so they may be test records in other words"),
    "synthetic_of_held_out": "their originals are not in training",
    "synthetic_near_held_out": "nearly equal to a validation or test record",
}


def is_synthetic(record: Record) -> bool:
    """Whether a record was made by `postgrad augment`."""
    return isinstance(record.meta.get(MARK), Mapping)


def mark(method: str, originals: Sequence[Record], teacher: str | None = None) -> JsonObject:
    """The value of `meta["synthetic"]`."""
    of = [origin_hash(record) for record in originals]
    return {"method": method, "of": of[0] if len(of) == 1 else of, "teacher": teacher}


def origin_hash(record: Record) -> str:
    """What a made record names its original by: SHA-256 of the request alone, 64 hex digits.

    The answer, the instruction and the metadata are left out, so that a mended answer or another system prompt does not
    cut the tie; records with equal requests are never divided anyway.
    """
    return hashlib.sha256(exact_key(record.prompt_text).encode("utf-8", "surrogatepass")).hexdigest()


def place_synthetic(
    records: Sequence[Record], made: Sequence[int], train: Sequence[int], held: Sequence[int], pinned: Sequence[int]
) -> tuple[list[int], dict[int, Refusal]]:
    """Which of the made records may train, and why the others may not.

    Args:
        records: All records.
        made: Indices of the synthetic ones.
        train: Indices of the collected records that train.
        held: Indices of the collected records that validate or test.
        pinned: Indices of the synthetic ones that somebody put into validation or test.
    """
    if not made:
        return [], {}
    of_train = {origin_hash(records[i]) for i in train}
    others = {origin_hash(r) for i, r in enumerate(records) if not is_synthetic(r)} - of_train
    # a request so common that it stands in several parts names no one original: its made records may not train
    blocked = others | {origin_hash(records[i]) for i in held}
    near = _near(records, made, held)
    refused: dict[int, Refusal] = {}
    for index in made:
        of = records[index].meta[MARK].get("of")
        origins = {of} if isinstance(of, str) else set(of or ())
        if index in pinned:
            refused[index] = "synthetic_in_held_out"
        elif origins & blocked:
            refused[index] = "synthetic_of_held_out"
        elif not origins or not origins <= of_train:
            refused[index] = "synthetic_without_original"
        elif index in near:
            refused[index] = "synthetic_near_held_out"
    return [i for i in made if i not in refused], refused


def _near(records: Sequence[Record], made: Sequence[int], held: Sequence[int]) -> set[int]:
    places = [*held, *made]
    clusters = near_duplicate_clusters([records[i].prompt_text for i in places])
    return {places[m] for cluster in clusters if cluster[0] < len(held) for m in cluster if m >= len(held)}
