"""What belongs together when records are divided, and how units are taken: by their place, each label by its share."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postgrad.answers import label_counts
from postgrad.errors import UsageError
from postgrad.records import Rating, Record
from postgrad.similarity.near_duplicates import exact_key, merge_groups

_COMMON_PROMPT = 0.2
"""A prompt shared by more than this part of the records is a heading, not a repetition; it binds nothing together."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Records that stay together, with their place from 0 to 1 and the label they are stratified by."""

    members: tuple[int, ...]
    place: float
    label: str

    def __len__(self) -> int:
        return len(self.members)


def bonds(
    records: Sequence[Record], hashes: Sequence[str], groups: Sequence[Sequence[int]], group_key: str | None
) -> list[Sequence[int]]:
    """Everything that ties records together: the groups given, equal contents, equal prompts, equal group values.

    Raises:
        UsageError: No record has the group key.
    """
    by_hash: dict[str, list[int]] = {}
    by_prompt: dict[str, list[int]] = {}
    by_value: dict[str, list[int]] = {}
    for index, record in enumerate(records):
        by_hash.setdefault(hashes[index], []).append(index)
        by_prompt.setdefault(exact_key(record.prompt_text), []).append(index)
        value = record.meta.get(group_key) if group_key else None
        if value is not None and value != "":
            by_value.setdefault(str(value), []).append(index)
    if group_key and not by_value:
        raise no_such(records, group_key, "to group by")
    most = max(2, _COMMON_PROMPT * len(records))
    same_prompt = [group for key, group in by_prompt.items() if key and len(group) <= most]
    return [*groups, *by_hash.values(), *same_prompt, *by_value.values()]


def no_such(records: Sequence[Record], key: str, what: str) -> UsageError:
    """The refusal of a column that no record has, with those that there are."""
    known = ", ".join(sorted({key for record in records[:100] for key in record.meta})) or "none"
    return UsageError(f"No record has the metadata {key!r} {what}.", f"The metadata there is: {known}.")


def make_units(
    records: Sequence[Record], hashes: Sequence[str], tied: Sequence[Sequence[int]], seed: int, stratify_key: str | None
) -> list[Unit]:
    """All units, each at the place that the smallest hash of its members has under this seed."""
    labels = labels_of(records, stratify_key)
    units = []
    for members in merge_groups(len(records), tied):
        counts = Counter(labels[i] for i in members)
        label = min(counts, key=lambda a: (-counts[a], a))
        units.append(Unit(members, place_of(min(hashes[i] for i in members), seed), label))
    return units


def labels_of(records: Sequence[Record], key: str | None) -> list[str]:
    """What each record is stratified by: the named column, good or bad, the label it answers, or nothing."""
    if key is not None:
        if not any(record.meta.get(key) not in (None, "") for record in records):
            raise no_such(records, key, "to stratify by")
        return [str(record.meta.get(key) or "") for record in records]
    if any(isinstance(record, Rating) for record in records):
        return [str(record.good) if isinstance(record, Rating) else "" for record in records]
    answers = [record.answer_text.strip() for record in records]
    return answers if label_counts(answers) else [""] * len(records)


def place_of(digest: str, seed: int) -> float:
    """A content hash's place from 0 to 1 under this seed."""
    raw = hashlib.sha256(f"{seed}:{digest}".encode()).digest()
    return int.from_bytes(raw[:8], "big") / 2**64


def take(ordered: Sequence[Unit], size: int, *, leave: int) -> set[Unit]:
    """Units in their order until `size` records are reached, each label by its share; `leave` units stay behind."""
    if size == 0:
        return set()
    quotas = _quotas(Counter(label for unit in ordered for label in [unit.label] * len(unit)), size)
    most = len(ordered) - leave
    taken: set[Unit] = set()
    filled: Counter[str] = Counter()
    for unit in ordered:
        if len(taken) < most and filled[unit.label] + len(unit) <= quotas[unit.label]:
            taken.add(unit)
            filled[unit.label] += len(unit)
    for unit in ordered:  # groups that were too large for their label's share may fit into what is left of the whole
        if len(taken) < most and unit not in taken and filled.total() + len(unit) <= size:
            taken.add(unit)
            filled[unit.label] += len(unit)
    return taken or {min(ordered, key=len)}


def _quotas(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """Shares of `size` in proportion to `counts`, by largest remainder."""
    total = sum(counts.values())
    exact = {label: size * count / total for label, count in counts.items()}
    quotas = {label: math.floor(value) for label, value in exact.items()}
    by_remainder = sorted(exact, key=lambda label: (quotas[label] - exact[label], label))
    for label in by_remainder[: size - sum(quotas.values())]:
        quotas[label] += 1
    return quotas
