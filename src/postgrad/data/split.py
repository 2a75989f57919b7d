"""Who trains, who chooses, who tests: fixed by content and seed, so that no order of rows and no later run changes it.

Records that belong together (near-duplicates, one customer) form a unit and go to one part. Every unit has a place between
0 and 1 from its hash; the lowest places test, the highest validate, the middle trains. A record that is added later takes
its own place and moves at most the few units at the borders.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postgrad.answers import label_counts
from postgrad.errors import DataError, UsageError
from postgrad.records import Record, content_hash
from postgrad.similarity import exact_key, merge_groups

_COMMON_PROMPT = 0.2
"""A prompt shared by more than this part of the records is a heading, not a repetition; it binds nothing together."""


@dataclass(frozen=True, slots=True)
class Split:
    """Each record in one part, in the order they came in.

    Attributes:
        train: For learning.
        validation: For choosing: early stopping, few-shot examples, thresholds.
        test: For evaluation alone.
        indices: Where they stood among the records given: (train, validation, test).
    """

    train: tuple[Record, ...]
    validation: tuple[Record, ...]
    test: tuple[Record, ...]
    indices: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class _Unit:
    """Records that stay together, with their place from 0 to 1 and the label they are stratified by."""

    members: tuple[int, ...]
    place: float
    label: str

    def __len__(self) -> int:
        return len(self.members)


def split(
    records: Sequence[Record],
    *,
    seed: int = 0,
    validation: float = 0.1,
    test: float = 0.2,
    groups: Sequence[Sequence[int]] = (),
    group_key: str | None = None,
    max_test: int = 200,
    max_validation: int = 100,
) -> Split:
    """Divides records into train, validation and test.

    Args:
        records: At least three units of records.
        seed: Another seed gives another division.
        validation: Share for validation.
        test: Share for the test.
        groups: Indices that must stay together, such as near-duplicate clusters.
        group_key: Metadata key whose equal values stay together (a customer, a conversation).
        max_test: Most test records; what is over trains.
        max_validation: Most validation records; what is over trains.

    Raises:
        UsageError: Shares that leave nothing to train on, or a group key that no record has.
        DataError: Too few independent records.
    """
    _refuse_shares(validation, test)
    hashes = [content_hash(record) for record in records]
    units = _units(records, hashes, _bonds(records, hashes, groups, group_key), seed)
    wanted = [part for part, share in (("test", test), ("validation", validation)) if share > 0]
    if len(units) < len(wanted) + 1:
        raise DataError(
            f"The {len(records)} records form {len(units)} independent {'group' if len(units) == 1 else 'groups'}: the others "
            "are repeats or belong together, so they cannot be divided into train, validation and test.",
            "Give more varied examples.",
        )
    total = len(records)
    test_size = min(max(1, round(total * test)), max_test) if test else 0
    validation_size = min(max(1, round(total * validation)), max_validation) if validation else 0
    spare = len(wanted)  # one unit is left for each part still to come, and one for training
    chosen_test = _take(sorted(units, key=lambda u: u.place), test_size, leave=spare)
    left = [u for u in units if u not in chosen_test]
    chosen_validation = _take(sorted(left, key=lambda u: -u.place), validation_size, leave=1)
    rest = [u for u in left if u not in chosen_validation]
    indices = (_members(rest), _members(chosen_validation), _members(chosen_test))
    train, choosing, testing = (tuple(records[i] for i in part) for part in indices)
    return Split(train, choosing, testing, indices)


def _refuse_shares(validation: float, test: float) -> None:
    if validation < 0 or test < 0 or validation + test >= 1:
        raise UsageError(
            f"The shares test={test!r} and validation={validation!r} leave nothing to train on.",
            "Give shares from 0 that add up to less than 1, for example 0.2 and 0.1.",
        )


def _members(units: Sequence[_Unit] | set[_Unit]) -> tuple[int, ...]:
    return tuple(sorted(index for unit in units for index in unit.members))


def _bonds(
    records: Sequence[Record], hashes: Sequence[str], groups: Sequence[Sequence[int]], group_key: str | None
) -> list[Sequence[int]]:
    """Everything that ties records together: the groups given, equal prompts, equal group values."""
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
        known = ", ".join(sorted({key for record in records[:100] for key in record.meta})) or "none"
        raise UsageError(f"No record has the metadata {group_key!r} to group by.", f"The metadata there is: {known}.")
    most = max(2, _COMMON_PROMPT * len(records))
    same_prompt = [group for key, group in by_prompt.items() if key and len(group) <= most]
    return [*groups, *by_hash.values(), *same_prompt, *by_value.values()]


def _units(records: Sequence[Record], hashes: Sequence[str], bonds: Sequence[Sequence[int]], seed: int) -> list[_Unit]:
    labels = label_counts([record.answer_text for record in records]) or {}
    units = []
    for members in merge_groups(len(records), bonds):
        answers = Counter(records[i].answer_text.strip() for i in members)
        label = min(answers, key=lambda a: (-answers[a], a)) if labels else ""
        units.append(_Unit(members, _place(min(hashes[i] for i in members), seed), label))
    return units


def _place(digest: str, seed: int) -> float:
    raw = hashlib.sha256(f"{seed}:{digest}".encode()).digest()
    return int.from_bytes(raw[:8], "big") / 2**64


def _take(ordered: Sequence[_Unit], size: int, *, leave: int) -> set[_Unit]:
    """Units in their order until `size` records are reached, each label by its share; `leave` units stay behind."""
    if size == 0:
        return set()
    quotas = _quotas(Counter(label for unit in ordered for label in [unit.label] * len(unit)), size)
    most = len(ordered) - leave
    taken: set[_Unit] = set()
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
