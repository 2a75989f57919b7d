"""Where a length limit has cut answers: near it most end openly, below it hardly any, and beyond it there is nothing.

Exporters cut at a number of tokens of a tokenizer that nobody names. In characters or words such a limit is smeared
over a third of its value; in estimated tokens (words and marks, long words by their length) it is a narrow band.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

_PIECES = re.compile(r"[^\W\d_]+|\d+|[^\w\s]|_")
_LETTERS_A_PIECE = 6
_DIGITS_A_PIECE = 2
_BANDS_A_WALL = 24
_MIN_AT_WALL = 30
_MIN_TOKENS = 24
_PARTLY_CUT = 2


@dataclass(frozen=True, slots=True)
class Wall:
    """A limit that was found: estimated tokens from which on answers were cut, its middle and its end.

    `open_share` is the share of answers without final punctuation at the wall, `usual_share` the share below it, and
    `sizes` the estimated tokens of every answer.
    """

    start: int
    middle: int
    end: int
    open_share: float
    usual_share: float
    sizes: Mapping[int, int]


def estimate_tokens(text: str) -> int:
    """Tokens of a text as usual subword tokenizers count them, within a quarter, without having one."""
    count = 0
    for piece in _PIECES.findall(text):
        size = len(piece)
        if size == 1:
            count += 1
        elif piece[0].isdigit():
            count += (size + _DIGITS_A_PIECE - 1) // _DIGITS_A_PIECE
        else:
            count += 1 + (size - 1) // _LETTERS_A_PIECE
    return count


def find_wall(answers: Mapping[int, str], open_ended: Collection[int]) -> Wall | None:
    """The length limit of a set of answers, or None.

    Args:
        answers: Index → answer, of those long enough to be judged.
        open_ended: Indices of the answers without final punctuation.
    """
    if len(answers) < 4 * _MIN_AT_WALL:
        return None
    sizes = {i: estimate_tokens(answer) for i, answer in answers.items()}
    lengths = np.array(list(sizes.values()))
    ends_open = np.array([i in open_ended for i in sizes])
    top = float(np.quantile(lengths, 0.99))
    if top < _MIN_TOKENS:
        return None
    band = top / _BANDS_A_WALL
    bands = np.minimum((lengths / band).astype(int), _BANDS_A_WALL)
    all_counts = np.bincount(bands, minlength=_BANDS_A_WALL + 1)
    open_counts = np.bincount(bands, weights=ends_open, minlength=_BANDS_A_WALL + 1)
    below = bands < _BANDS_A_WALL // 2
    if below.sum() < _MIN_AT_WALL:
        return None
    usual = float(ends_open[below].mean())
    needed = (usual + 1) / 2
    start = _BANDS_A_WALL + 1
    while start > 0 and (all_counts[start - 1] == 0 or open_counts[start - 1] >= needed * all_counts[start - 1]):
        start -= 1
    at_wall = bands >= start
    if at_wall.sum() < _MIN_AT_WALL or start < _BANDS_A_WALL // 2 or usual > 0.5:
        return None
    width = _BANDS_A_WALL + 1 - start
    just_below = (bands < start - 1) & (bands >= start - 1 - width)
    crowded = at_wall.sum() > just_below.sum()  # lengths thin out by nature; a pile at the end is made
    share = float(ends_open[at_wall].mean())
    if not crowded or share < max(0.6, 2 * usual) or lengths.max() > 1.6 * np.median(lengths[at_wall]):
        return None
    # The bands before are partly cut: their open ends are rather cut than natural where they are over twice as usual
    # there.
    calm = slice(max(0, start - 9), max(1, start - 4))
    nearby = min(usual, float(open_counts[calm].sum() / max(1, all_counts[calm].sum())))
    for _ in range(_PARTLY_CUT):
        if open_counts[start - 1] > 2 * nearby * all_counts[start - 1]:
            start -= 1
    reached = lengths[bands >= start]
    return Wall(int(start * band), int(np.median(reached)), int(reached.max()), share, usual, sizes)
