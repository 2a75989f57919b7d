"""Who trains, who chooses, who tests: fixed by content and seed, so that no order of rows and no later run changes it.

Records that belong together (near-duplicates, one customer) form a unit and go to one part. Every unit has a place
between 0 and 1 from its hash; the lowest places test, the highest validate, the middle trains. A record that is added
later takes its own place and moves at most the few units at the borders. Where dates are given, time takes the place of
the hash (`by_time`). Parts that the user gave are kept as given, and what resembles their test is not trained on. Made
records (`synthetic`) are placed last: they change nobody's part, and only ever train.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from postgrad.data.split.by_time import divide_by_time
from postgrad.data.split.synthetic import REASONS, is_synthetic, place_synthetic
from postgrad.data.split.units import Unit, bonds, make_units, take, too_large
from postgrad.errors import DataError, UsageError
from postgrad.records import Record, content_hash

SplitName = Literal["train", "validation", "test"]
CLUSTER_SHARE = 0.1
"""A cluster of near-duplicates may be so much of the test part; a larger one is not tested on. Two records of one
always may be. Groups of the user's own column are taken as they are."""
_LEFT_OUT = {
    **REASONS,
    "near_test": "nearly equal to test records, or of their group (data.keep_near_test: true trains on them)",
    "group_crosses_border": "older members, or members without a date, of groups whose newer members test or validate",
}


@dataclass(frozen=True, slots=True)
class Split:
    """Each record in one part, in the order they came in, or left out with a reason.

    Attributes:
        train: For learning.
        validation: For choosing: early stopping, few-shot examples, thresholds.
        test: For evaluation alone.
        indices: Where they stood among the records given: (train, validation, test).
        left_out: (index, machine name of the reason) of what is in no part.
        notes: What a user should know of how it was divided, one sentence each.
    """

    train: tuple[Record, ...]
    validation: tuple[Record, ...]
    test: tuple[Record, ...]
    indices: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    left_out: tuple[tuple[int, str], ...] = ()
    notes: tuple[str, ...] = ()


def split(
    records: Sequence[Record],
    *,
    seed: int = 0,
    validation: float = 0.1,
    test: float = 0.2,
    groups: Sequence[Sequence[int]] = (),
    group_key: str | None = None,
    stratify_key: str | None = None,
    moments: Sequence[datetime | None] | None = None,
    given: Sequence[SplitName | None] | None = None,
    keep_near_test: bool = False,
    max_test: int = 1000,
    max_validation: int = 100,
) -> Split:
    """Divides records of any kind into train, validation and test.

    Args:
        records: At least three units of records.
        seed: Another seed gives another division.
        validation: Share for validation.
        test: Share for the test.
        groups: Indices that must stay together, such as near-duplicate clusters.
        group_key: Metadata key whose equal values stay together (a customer, a conversation).
        stratify_key: Metadata key whose values are kept in proportion. None: the label, or good and bad.
        moments: When each record was made: the latest test, the latest of the rest validate. Those without one train.
        given: The part that the user put a record in. A part given for any record is taken from nobody else.
        keep_near_test: Train on near-duplicates of given test records all the same.
        max_test: Most test records; what is over trains.
        max_validation: Most validation records; what is over trains.

    Raises:
        UsageError: Shares that leave nothing to train on, or a key that no record has.
        DataError: Too few independent records.
    """
    _refuse_shares(validation, test)
    if moments is not None and stratify_key is not None:
        raise UsageError("A split by time cannot be stratified too: the dates decide.", "Leave data.stratify out.")
    real = [i for i, record in enumerate(records) if not is_synthetic(record)]
    made = [i for i, record in enumerate(records) if is_synthetic(record)]
    units = _real_units(records, real, groups, group_key, stratify_key, seed)
    fixed = list(given) if given is not None else [None] * len(records)
    parts, left_out, notes = _as_given(units, real, fixed, keep_near_test)
    free = [u for u in units if all(m in parts["train"] for m in u.members)]
    wanted = [(part, share) for part, share in (("test", test), ("validation", validation)) if share > 0]
    open_parts = [(part, share) for part, share in wanted if not parts[part]]
    if len(free) < len(open_parts) + 1:
        raise _too_few(len(real), len(free))
    count = sum(map(len, free))
    most = {"test": max_test, "validation": max_validation}
    sizes = {part: min(max(1, round(count * share)), most[part]) for part, share in open_parts}
    if moments is None:
        chosen, told = _by_place(free, sizes, 1.0 if group_key else CLUSTER_SHARE)
        notes += told
    else:
        chosen, crossing, told = divide_by_time(free, moments, sizes)
        left_out |= dict.fromkeys(crossing, "group_crosses_border")
        notes += told
    for part, members in chosen.items():
        parts[part] |= members
    parts["train"] -= {*parts["test"], *parts["validation"], *left_out}
    if not parts["train"]:
        raise DataError(f"Nothing is left to train on. {' '.join([*notes, *_told(left_out)])}", "Give other parts.")
    held = sorted(parts["test"] | parts["validation"])
    pinned = [i for i in made if fixed[i] in ("test", "validation")]
    training, refused = place_synthetic(records, made, sorted(parts["train"]), held, pinned)
    parts["train"] |= set(training)
    left_out |= refused
    ordered = [tuple(sorted(parts[part])) for part in ("train", "validation", "test")]
    train, choosing, testing = (tuple(records[i] for i in part) for part in ordered)
    if training:
        notes.append(f"{len(training)} synthetic records train beside {len(train) - len(training)} collected ones.")
    notes += _told(left_out)
    indices = (ordered[0], ordered[1], ordered[2])
    return Split(train, choosing, testing, indices, tuple(sorted(left_out.items())), tuple(notes))


def _refuse_shares(validation: float, test: float) -> None:
    if validation < 0 or test < 0 or validation + test >= 1:
        raise UsageError(
            f"The shares test={test!r} and validation={validation!r} leave nothing to train on.",
            "Give shares from 0 that add up to less than 1, for example 0.2 and 0.1.",
        )


def _too_few(count: int, units: int) -> DataError:
    return DataError(
        f"The {count} records form {units} independent {'group' if units == 1 else 'groups'}: the others "
        "are repeats or belong together, so they cannot be divided into train, validation and test.",
        "Give more varied examples.",
    )


def _real_units(
    records: Sequence[Record],
    real: list[int],
    groups: Sequence[Sequence[int]],
    group_key: str | None,
    stratify_key: str | None,
    seed: int,
) -> list[Unit]:
    """The units of the collected records; their members are indices into `records`."""
    place = {index: n for n, index in enumerate(real)}
    subset = [records[i] for i in real]
    hashes = [content_hash(record) for record in subset]
    inner = [[place[m] for m in group if m in place] for group in groups]
    tied = bonds(subset, hashes, [group for group in inner if group], group_key)
    units = make_units(subset, hashes, tied, seed, stratify_key)
    return [Unit(tuple(real[m] for m in u.members), u.place, u.label) for u in units]


def _as_given(
    units: Sequence[Unit], real: Sequence[int], fixed: Sequence[SplitName | None], keep_near_test: bool
) -> tuple[dict[str, set[int]], dict[int, str], list[str]]:
    """The parts as far as the user gave them (the rest under train), and what is left out for its nearness to the
    test."""
    parts: dict[str, set[int]] = {"train": set(), "validation": set(), "test": set()}
    for index in real:
        parts[fixed[index] or "train"].add(index)
    near: set[int] = set()
    leaks = {"test": 0, "validation": 0}
    for unit in units:
        members = set(unit.members)
        if members & parts["test"]:
            near |= members & parts["train"]
            leaks["test"] += len(members & parts["validation"])
        elif members & parts["validation"]:
            leaks["validation"] += len(members & parts["train"])
    notes = []
    if leaks["test"]:
        notes.append(f"{leaks['test']} validation records are nearly equal to test records; they are used as given.")
    if leaks["validation"]:
        notes.append(
            f"{leaks['validation']} training records are nearly equal to validation records; they are used as given."
        )
    if near and keep_near_test:
        notes.append(
            f"{len(near)} training records are nearly equal to test records and are trained on, as data.keep_near_test"
            " allows: this inflates the test score."
        )
        return parts, {}, notes
    parts["train"] -= near
    return parts, dict.fromkeys(near, "near_test"), notes


def _by_place(units: Sequence[Unit], sizes: dict[str, int], share: float) -> tuple[dict[str, set[int]], list[str]]:
    """The lowest places test, the highest validate; one unit is left for each part still to come, and one for
    training. What is more than that share of the test is not tested on, and said."""
    left = list(units)
    chosen: dict[str, set[int]] = {}
    notes: list[str] = []
    for done, part in enumerate(sizes):
        sign = 1 if part == "test" else -1
        barred = too_large(left, sizes[part], share) if part == "test" else set()
        if barred:
            notes.append(_too_large_to_test(barred, share))
        ordered = sorted(left, key=lambda u: sign * u.place)
        taken = take(ordered, sizes[part], leave=len(sizes) - done, barred=barred)
        left = [u for u in left if u not in taken]
        chosen[part] = {m for u in taken for m in u.members}
    return chosen, notes


def _too_large_to_test(barred: Collection[Unit], share: float) -> str:
    held = sum(map(len, barred))
    clusters = "one cluster" if len(barred) == 1 else f"{len(barred)} clusters"
    return (
        f"{held} records in {clusters} of near-duplicates are not tested on: one cluster may be at most"
        f" {100 * share:.0f} % of the test part."
    )


def _told(left_out: dict[int, str]) -> list[str]:
    return [
        f"{count} {'record is' if count == 1 else 'records are'} left out: {_LEFT_OUT[reason]}."
        for reason, count in Counter(left_out.values()).most_common()
    ]
