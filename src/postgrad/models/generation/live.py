"""Answers of many requests grown together: requests come and go between two steps, each with a decoding and an adapter
of its own.

Rows stand in lanes by the tokens that they hold, so that a short answer does not pay for a long one, and move up a lane
when they have outgrown theirs. A step either reads prompts, up to `READ_TOKENS` of a few of them, or gives every row
that has been read one more token; while there are both they take turns, so a long prompt halts nobody for long and
nobody keeps it out. Whoever has the fewest rows in work begins next. A row that fails, fails alone.

Shapes: B rows, V vocabulary.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from postgrad.models.device import room_for
from postgrad.models.fused.decoder import FusedDecoder, Room, Seat
from postgrad.models.fused.low_rank import LowRank
from postgrad.models.generation.decoding import Decoding, DecodingRow, extend
from postgrad.models.generation.kept_beginnings import FEWEST, KeptBeginnings, common
from postgrad.models.generation.pace import Pace
from postgrad.models.language_model import LanguageModel

READERS = 4
"""Prompts that share what is read at a time, at least: a short one does not wait for the end of a long one."""
MOST_ROWS = 64
HELD_BYTES = 4 << 30
"""Keys and values of all rows take at most so much, and a quarter of the memory that is free, unless a single row takes
more; further ones wait, and where those in work grow beyond it the youngest waits again."""
RESERVE = 64
"""Tokens that a row is expected to grow by, before a further one begins."""
SHORTEST_LANE, LONGEST_LANE = 128, 2048
"""Tokens of the rows of the first lane and of the last; each further one has room for four times as many. A row that
holds more has a room to itself, in which it is read and stays: copying it would make all others wait."""


@dataclass(slots=True, eq=False)
class LiveRow(DecodingRow):
    """A row with what is its own.

    Attributes:
        decoding: Where it ends; its tokens are taken by its `choose`.
        adapter: Added to the base's weights for this row alone.
        of: Whose it is: what it has read is kept for no other.
        read: Tokens of it that have been read or found.
        came: Rises from row to row, in the order in which they came.
        fault: What went wrong with this row alone.
    """

    decoding: Decoding = field(default_factory=Decoding)
    adapter: LowRank | None = None
    of: Hashable = ""
    read: int = 0
    came: int = 0
    fault: Exception | None = None

    @property
    def tokens(self) -> int:
        """Of prompt and answer."""
        return len(self.suffix) + len(self.ids)

    @property
    def whole(self) -> list[int]:
        """The ids of prompt and answer."""
        return [*self.suffix, *self.ids]


class _Lane:
    """Rows that hold about as many tokens: row i stands in row i of the room."""

    def __init__(self, decoder: FusedDecoder, room: Room, row: LiveRow | None = None) -> None:
        self._decoder, self.room = decoder, room
        self.rows = [] if row is None else [row]

    def seat(self, row: LiveRow, source: Seat) -> None:
        """Takes a row in, with what has been read of it."""
        if len(self.rows) == len(self.room.lengths):
            larger = Room(self._decoder, 2 * len(self.rows), self.room.places)
            for place in range(len(self.rows)):
                larger.take(place, self.room.row(place))
            self.room = larger
        self.room.take(len(self.rows), source[0].row(source[1]))
        self.rows.append(row)

    def leave(self, place: int) -> None:
        """Takes a row out; the last one fills the gap."""
        last = self.rows.pop()
        if place < len(self.rows):
            self.room.move(len(self.rows), place)
            self.rows[place] = last


class LiveBatch:
    """The rows in work on one base model, and those that wait; for one thread at a time.

    Args:
        model: The base, with nothing put into its weights.
        decoder: Computes it.
        pace: Says how much of the prompts is read at a time.
    """

    def __init__(self, model: LanguageModel, decoder: FusedDecoder, pace: Pace | None = None) -> None:
        self._model, self._decoder = model, decoder
        self._waiting: deque[LiveRow] = deque()
        self._reading: list[tuple[LiveRow, Room]] = []
        self._lanes: list[_Lane] = []
        self._kept = KeptBeginnings()
        self._just_read, self._pace = False, pace or Pace()
        self._came = 0
        self._held = min(HELD_BYTES, room_for("cpu") // 4)

    @property
    def rows(self) -> list[LiveRow]:
        """Those that have been read and are growing."""
        return [row for lane in self._lanes for row in lane.rows]

    def add(self, rows: Sequence[LiveRow]) -> None:
        """Further rows; they begin when there is room."""
        for row in rows:
            self._came += 1
            row.came = self._came
            self._waiting.append(row)

    @torch.inference_mode()
    def drop(self, rows: Sequence[LiveRow]) -> None:
        """Gives up rows that nobody waits for any more, wherever they stand."""
        gone = set(map(id, rows))
        self._waiting = deque(row for row in self._waiting if id(row) not in gone)
        self._reading = [(row, room) for row, room in self._reading if id(row) not in gone]
        for row in rows:
            row.finish = row.finish or "length"
        self._close()

    @torch.inference_mode()
    def step(self) -> None:
        """One step: prompts are read, or all rows that have been read get their next token."""
        start = time.perf_counter()
        reading = [] if self._just_read and self.rows else self._next_parts()
        rows = self._read(reading) if reading else self._grow()
        self._just_read = bool(reading)
        took = time.perf_counter() - start
        if reading:
            self._pace.took(sum(count for _, _, count in reading), took)
        for row in rows:
            row.seconds += took / len(rows)
        self._close()

    def _read(self, reading: Sequence[tuple[LiveRow, Room, int]]) -> list[LiveRow]:
        """Reads the next parts of prompts; those that are whole then get their first token. Gives the rows."""
        rows = [row for row, _, _ in reading]
        parts = [row.whole[row.read : row.read + count] for row, _, count in reading]
        hidden_BH = self._decoder.prefill(parts, [(room, 0) for _, room, _ in reading], [r.adapter for r in rows])
        for row, _, count in reading:
            row.read += count
        done = [i for i, row in enumerate(rows) if row.read == row.tokens]
        self._reading = [(row, room) for row, room in self._reading if row.read < row.tokens]
        if done:
            self._take([rows[i] for i in done], hidden_BH[torch.tensor(done)])
        for i in done:
            self._seat(rows[i], (reading[i][1], 0))
        return rows

    def _next_parts(self) -> list[tuple[LiveRow, Room, int]]:
        """(row, where it is read into, tokens to read): of those that were begun and of some that wait, in equal parts
        of what is read at a time."""
        most = self._pace.tokens() if self.rows else self._pace.most
        for row in self._in_turn():
            unread = sum(one.tokens - one.read for one, _ in self._reading)
            if (len(self._reading) >= READERS and unread >= most) or not self._fits(row):
                break
            if not self._soon_known(row):
                places = _places(row.tokens + 1)
                room = Room(self._decoder, 1, places if places > LONGEST_LANE else row.tokens)
                self._recall(row, room)
                self._waiting.remove(row)
                self._reading.append((row, room))
        out: list[tuple[LiveRow, Room, int]] = []
        left, readers = most, len(self._reading)
        for row, room in sorted(self._reading, key=lambda one: one[0].tokens - one[0].read):
            count = min(row.tokens - row.read, max(1, left // readers))
            out.append((row, room, count))
            left, readers = left - count, readers - 1
        return out

    def _in_turn(self) -> list[LiveRow]:
        """The rows that wait, those of whoever has the fewest in work first."""
        work = Counter(row.of for row in (*self.rows, *(row for row, _ in self._reading)))
        places: list[tuple[int, LiveRow]] = []
        for row in self._waiting:
            places.append((work[row.of], row))
            work[row.of] += 1
        return [row for _, row in sorted(places, key=lambda one: one[0])]

    def _fits(self, row: LiveRow) -> bool:
        """Whether a further row may begin."""
        rows = [*self.rows, *(one for one, _ in self._reading)]
        if not rows:
            return True
        held = sum(one.tokens + RESERVE for one in (*rows, row))
        return len(rows) < MOST_ROWS and held * self._decoder.token_bytes <= self._held

    def _soon_known(self, row: LiveRow) -> bool:
        """Whether a row begins like one that is being read just now: after that it has less to read."""
        mine = np.asarray(row.whole[:-1], np.int64)
        known = self._known(row)[0]
        for other, _ in self._reading:
            if other.of == row.of:
                length = common(np.asarray(other.whole, np.int64), mine)
                if length >= max(FEWEST, known + 1) and length - other.read <= self._pace.most:
                    return True
        return False

    def _known(self, row: LiveRow) -> tuple[int, Seat | None]:
        """How many of its tokens another row has read before, and that row."""
        mine = np.asarray(row.whole[:-1], np.int64)
        best: tuple[int, Seat | None] = 0, None
        seats = [(other, lane.room, at) for lane in self._lanes for at, other in enumerate(lane.rows)]
        for other, room, at in (*seats, *((other, room, 0) for other, room in self._reading)):
            if other.of == row.of:
                length = min(common(np.asarray(other.whole, np.int64), mine), room.lengths[at])
                best = max(best, (length, (room, at)), key=lambda found: found[0])
        return best

    def _recall(self, row: LiveRow, room: Room) -> None:
        """Puts what has been read before of a row's prompt into its room."""
        length, seat = self._known(row)
        kept = self._kept.find(row.of, row.whole)
        if kept is not None and kept[0].shape[2] >= length:
            room.take(0, kept)
        elif seat is not None and length >= FEWEST:
            keys, values = seat[0].row(seat[1])
            room.take(0, (keys[:, :, :length], values[:, :, :length]))
        row.read = room.lengths[0]
        if not row.ids:  # those that had to wait are read again for their own sake
            row.recalled = row.read

    def _grow(self) -> list[LiveRow]:
        """One more token for every row."""
        rows = self.rows
        if not rows:
            return []
        last_B = torch.tensor([row.ids[-1] for row in rows])
        rooms = [(lane.room, len(lane.rows)) for lane in self._lanes if lane.rows]
        self._take(rows, self._decoder.step(last_B, rooms, [row.adapter for row in rows]))
        for lane in list(self._lanes):
            for place in reversed(range(len(lane.rows))):
                if lane.room.lengths[place] == lane.room.places and not lane.rows[place].finish:
                    self._seat(lane.rows[place], (lane.room, place))
                    lane.leave(place)
        self._relieve()
        return rows

    def _relieve(self) -> None:
        """Where rows have grown beyond the memory, the youngest waits and is read again later."""
        while len(rows := [row for row in self.rows if not row.finish]) > 1:
            if sum(row.tokens for row in rows) * self._decoder.token_bytes <= self._held:
                return
            youngest = max(rows, key=lambda row: row.came)
            for lane in self._lanes:
                if youngest in lane.rows:
                    lane.leave(lane.rows.index(youngest))
            youngest.read = 0
            self._waiting.appendleft(youngest)

    def _take(self, rows: Sequence[LiveRow], hidden_BH: torch.Tensor) -> None:
        for row, logits_V in zip(rows, self._decoder.logits(hidden_BH), strict=True):
            assert row.choose is not None
            try:
                token, logprob = row.choose(logits_V)
                extend(self._model.renderer, row, token, logprob, row.decoding)
            except Exception as error:  # noqa: BLE001 - of its own grammar or numbers: told to whoever asked alone
                row.fault, row.finish = error, "failed"

    def _seat(self, row: LiveRow, source: Seat) -> None:
        """Puts a row among those that hold about as many tokens."""
        room, place = source
        places = _places(room.lengths[place] + 1)
        if places > LONGEST_LANE and room.places >= places:
            self._lanes.append(_Lane(self._decoder, room, row))
            return
        lanes = [lane for lane in self._lanes if lane.room.places == places <= LONGEST_LANE]
        if not lanes:
            lanes = [_Lane(self._decoder, Room(self._decoder, 1, places))]
            self._lanes += lanes
        lanes[0].seat(row, source)

    def _close(self) -> None:
        """Takes out the rows that have ended, and keeps what they have read."""
        for lane in self._lanes:
            for place in reversed(range(len(lane.rows))):
                row = lane.rows[place]
                if row.finish:
                    states = lane.room.row(place)
                    alone = lane.room.places > LONGEST_LANE  # its room is not used any more
                    self._kept.keep(row.of, row.whole[: states[0].shape[2]], states, copy=not alone)
                    lane.leave(place)
        self._lanes = [lane for lane in self._lanes if lane.rows]


def _places(tokens: int) -> int:
    """Of the rooms of the rows that hold so many tokens."""
    places = SHORTEST_LANE
    while places < tokens:
        places *= 4
    return places
