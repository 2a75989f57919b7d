"""Whose turn it is: many answers grow at once, one token at a time each, and share one model in memory.

Answers of the same adapter go in turn. Another adapter waits until the present one's time is over, because putting an
adapter in place costs as much as some tokens; that time is short, so none starves. Another base model waits until the
answers that have begun on the present one are done. The policy, `next_turn`, is a pure function.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

MAX_PLACES = 64
"""Requests of one owner that may be inside at once, growing or waiting; more are sent away. A third more are there for
others."""
FREE_SHARE = 3
"""An owner has at most so many times the places that are free: alone all of `places`, of two that take what they get
each the same, and a newcomer always finds one (dynamic thresholds, Choudhury and Hahne 1998)."""
MAX_TOKENS = 131_072
"""Of the prompts and answers that grow at once: bounds the memory of their keys and values."""
GRACE_S = 0.02
"""How long the model stands still for an answer that has just been given a token and has not asked for the next."""


class FullError(Exception):
    """There is no place left; `retry_after` says in how many seconds there may be one."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"try again in {retry_after} s")
        self.retry_after = retry_after


@dataclass(eq=False, slots=True)
class Ticket:
    """One request's place.

    Attributes:
        base: Name of its base model.
        adapter: Digest of what is put on the base, "" for the base alone.
        tokens: Bound of its prompt and answers together.
        last: When it last had a turn, or came.
        begun: Whether it has had one.
        asking: Whether it waits for a turn.
        granted: Done when it has the turn.
        owner: Who asks.
    """

    base: str
    adapter: str
    tokens: int
    last: float
    begun: bool = False
    asking: bool = False
    granted: asyncio.Future[None] | None = field(default=None, repr=False)
    owner: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return self.base, self.adapter


def next_turn(
    tickets: Sequence[Ticket], current: tuple[str, str], since: float, now: float, quantum: float
) -> tuple[Ticket | None, bool]:
    """(who is next, whether it is worth asking again in a moment).

    Args:
        tickets: All inside, in the order they came.
        current: Base and adapter in place.
        since: When that adapter got its time.
        now: Same clock.
        quantum: Seconds that an adapter keeps the model while others wait.
    """
    begun_tokens = sum(t.tokens for t in tickets if t.begun)
    held = any(t.begun and t.base == current[0] for t in tickets)
    foreign = next((t for t in tickets if t.asking and t.base != current[0]), None)
    patience = foreign is not None and now - foreign.last > quantum
    may: list[Ticket] = []
    for ticket in tickets:
        if not ticket.asking or (not ticket.begun and begun_tokens and begun_tokens + ticket.tokens > MAX_TOKENS):
            continue
        if ticket.base != current[0] and held:
            continue
        if patience and not ticket.begun and ticket.base == current[0] and foreign and ticket.last > foreign.last:
            continue  # it came after somebody who waits for another base
        may.append(ticket)
    same = [t for t in may if t.key == current]
    others = [t for t in may if t.key != current]
    over = now - since >= quantum
    if same and not (others and over):
        return min(same, key=lambda t: t.last), False
    if not over and any(t.key == current and t.begun and not t.asking and now - t.last < GRACE_S for t in tickets):
        return None, True
    return (min(others, key=lambda t: t.last), False) if others else (None, False)


class Scheduler:
    """Gives out places and turns. Belongs to one event loop.

    Args:
        quantum: Asked for the seconds that an adapter keeps the model while others wait.
        places: At most so many requests of one owner inside.
    """

    def __init__(self, quantum: Callable[[], float] = lambda: 1.0, places: int = MAX_PLACES) -> None:
        self.places = places
        self._quantum = quantum
        self._tickets: list[Ticket] = []
        self._busy = False
        self._current, self._since, self._changed = ("", ""), 0.0, False
        self._took: deque[float] = deque(maxlen=32)

    @property
    def inside(self) -> int:
        """Requests inside now."""
        return len(self._tickets)

    @contextmanager
    def place(self, base: str, adapter: str, tokens: int, owner: str = "") -> Iterator[Ticket]:
        """A place for one request.

        Raises:
            FullError: the owner's share is taken.
        """
        mine = sum(ticket.owner == owner for ticket in self._tickets)
        free = self.places + max(1, self.places // FREE_SHARE) - len(self._tickets)
        if mine >= min(self.places, FREE_SHARE * free):
            usual = sum(self._took) / len(self._took) if self._took else 1.0
            raise FullError(max(1, min(60, round(usual))))
        ticket = Ticket(base, adapter, tokens, time.monotonic(), owner=owner)
        came = ticket.last
        self._tickets.append(ticket)
        try:
            yield ticket
        finally:
            self._tickets.remove(ticket)
            self._took.append(time.monotonic() - came)
            self._give()

    @asynccontextmanager
    async def turn(self, ticket: Ticket) -> AsyncIterator[None]:
        """The right to compute one step."""
        granted = ticket.granted = asyncio.get_running_loop().create_future()
        ticket.asking = True
        self._give()
        try:
            await granted
            yield
        finally:
            ticket.asking, ticket.granted = False, None
            if granted.done() and not granted.cancelled():
                ticket.last = time.monotonic()
                self._busy = False
                if self._changed:  # putting an adapter in place does not count against its time
                    self._since, self._changed = ticket.last, False
            self._give()

    def _give(self) -> None:
        if self._busy:
            return
        now = time.monotonic()
        ticket, soon = next_turn(self._tickets, self._current, self._since, now, self._quantum())
        if ticket is None:
            if soon:
                asyncio.get_running_loop().call_later(GRACE_S, self._give)
            return
        if ticket.key != self._current or now - self._since >= self._quantum():
            self._changed = ticket.key != self._current
            self._current, self._since = ticket.key, now
        ticket.asking = False
        if ticket.granted is not None and not ticket.granted.done():  # done: its client left in this very moment
            self._busy, ticket.begun = True, True
            ticket.granted.set_result(None)
