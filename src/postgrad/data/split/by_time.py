"""The split by time: learn from the past, be tested on what came after. No test record is older than a training record.

Records of one moment stay together. A group that crosses a border keeps its newer members in the later part; its older
ones are left out, for in training they would tell of the test, and in the test they would be older than what was
trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from postgrad.data.split.units import Unit
from postgrad.errors import DataError


def divide_by_time(
    units: Sequence[Unit], moments: Sequence[datetime | None], sizes: Mapping[str, int]
) -> tuple[dict[str, set[int]], set[int], list[str]]:
    """Takes each part of `sizes` (the test first) from the end of what is left.

    Args:
        units: What stays together; members are indices into `moments`.
        moments: None where there is no date: such records train.
        sizes: Part → records wanted.

    Returns:
        The members of each part; the members of groups that cross a border and go nowhere; sentences about all that.

    Raises:
        DataError: Too few different moments.
    """
    chosen: dict[str, set[int]] = {}
    crossing: set[int] = set()
    notes: list[str] = []
    left = list(units)
    for done, (part, size) in enumerate(sizes.items()):
        dated = [m for unit in left for i in unit.members if (m := moments[i]) is not None]
        border = _border(dated, size, spare=len(sizes) - done)
        later = [u for u in left if any(_from(moments[i], border) for i in u.members)]
        chosen[part] = {i for u in later for i in u.members if _from(moments[i], border)}
        crossing |= {i for u in later for i in u.members} - chosen[part]
        gone = set(later)
        left = [u for u in left if u not in gone]
        ties = "" if len(chosen[part]) == size else f" ({size} wanted; records with the same time stay together)"
        notes.append(f"The {part} part is everything from {_shown(border)} on: {len(chosen[part])} records{ties}.")
    undated = sum(moments[i] is None for u in left for i in u.members)
    if undated:
        notes.append(f"{undated} {'record has' if undated == 1 else 'records have'} no date; they go to training.")
    return chosen, crossing, notes


def _from(moment: datetime | None, border: datetime) -> bool:
    return moment is not None and moment >= border


def _border(dated: Sequence[datetime], size: int, spare: int) -> datetime:
    """The moment from which on the number of records is nearest to `size`; `spare` earlier moments stay behind."""
    counts = Counter(dated)
    ordered = sorted(counts)
    if len(ordered) <= spare:
        raise DataError(
            f"The {len(dated)} dated records have {len(ordered)} different moments: too few to divide them by time.",
            "Leave data.split at hash, or give dates that differ.",
        )
    best, behind = ordered[-1], 0
    for moment in reversed(ordered[spare:]):
        before, behind = behind, behind + counts[moment]
        if before and abs(behind - size) > abs(before - size):
            break
        best = moment
    return best


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if moment.time().isoformat() == "00:00:00" else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
