"""What belongs together when records are divided, and how units are taken: by their place, each label by its share."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from postgrad.answers import label_counts
from postgrad.errors import UsageError
from postgrad.records import Rating, Record
from postgrad.similarity.near_duplicates import exact_key, merge_groups

_COMMON_PROMPT = 0.2
"""A prompt shared by more than this part of the records is a heading, not a repetition; it binds nothing together."""
_SMALL = 2
"""So many records of one unit may always stand in a part, however small it is."""


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


def too_large(units: Sequence[Unit], size: int, share: float) -> set[Unit]:
    """Units that would be too much of a part of `size` records: more than that share of it, and more than two records.

    Where the smaller units of a label do not fill its due, larger ones are let in, the smallest first, while each makes
    the part worth more independent examples even if the members of a unit are all alike (Kish's effective number,
    sum² / sum of squares, 1965).
    """
    large = {unit for unit in units if len(unit) > max(_SMALL, share * size)}
    quotas = _quotas(_records_of(units), size)
    for label in {unit.label for unit in large}:
        sizes = [len(unit) for unit in units if unit.label == label and unit not in large]
        total, squares = sum(sizes), sum(n * n for n in sizes)
        for unit in sorted((u for u in large if u.label == label), key=lambda u: (len(u), u.place)):
            more, squared = total + len(unit), squares + len(unit) ** 2
            if total >= quotas[label] or more * more * squares < total * total * squared:
                break
            large.remove(unit)
            total, squares = more, squared
    return large


def take(ordered: Sequence[Unit], size: int, *, leave: int, barred: Collection[Unit] = ()) -> set[Unit]:
    """Units in their order until `size` records are reached, each label by its share; `leave` units stay behind, and
    those that are barred."""
    if size == 0:
        return set()
    quotas = _quotas(_records_of(ordered), size)
    most = len(ordered) - leave
    taken: set[Unit] = set()
    filled: Counter[str] = Counter()
    ordered = [unit for unit in ordered if unit not in barred]
    for unit in ordered:
        if len(taken) < most and filled[unit.label] + len(unit) <= quotas[unit.label]:
            taken.add(unit)
            filled[unit.label] += len(unit)
    for unit in ordered:  # groups that were too large for their label's share may fit into what is left of the whole
        if len(taken) < most and unit not in taken and filled.total() + len(unit) <= size:
            taken.add(unit)
            filled[unit.label] += len(unit)
    return taken or {min(ordered, key=len)}


def _records_of(units: Sequence[Unit]) -> Counter[str]:
    """How many records there are of each label."""
    counts: Counter[str] = Counter()
    for unit in units:
        counts[unit.label] += len(unit)
    return counts


def _quotas(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """Shares of `size` in proportion to `counts`, by largest remainder."""
    total = sum(counts.values())
    exact = {label: size * count / total for label, count in counts.items()}
    quotas = {label: math.floor(value) for label, value in exact.items()}
    by_remainder = sorted(exact, key=lambda label: (quotas[label] - exact[label], label))
    for label in by_remainder[: size - sum(quotas.values())]:
        quotas[label] += 1
    return quotas
