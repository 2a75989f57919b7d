"""Monthly quotas: what each key used is counted in memory at once and written down by a thread, about each second.

A kill loses what was not written yet; several servers on one database see each other's counts with the next writing.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter

from postgrad.errors import PostgradError
from postgrad.registry.keys import ApiKey, KeyUsage, this_month
from postgrad.serving.wire.api_errors import ApiError

PAUSE_S = 1.0
_log = logging.getLogger(__name__)


class Quotas:
    """Counts keys' tokens.

    Args:
        usage: Where the counts are kept.
    """

    def __init__(self, usage: KeyUsage) -> None:
        self._usage = usage
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], int] = {}
        self._fresh: Counter[tuple[str, str]] = Counter()
        self._stop, self._thread = threading.Event(), None

    def read(self, key: ApiKey) -> None:
        """Reads what a key with a quota used, where it is not known yet; reads the database."""
        place = (key.id, this_month())
        if key.tokens_per_month is not None and place not in self._known:
            total = self._usage.of(*place)
            with self._lock:
                self._known.setdefault(place, total)

    def check(self, key: ApiKey | None) -> None:
        """Lets a request through that will use tokens.

        Raises:
            ApiError: the key's quota is used up; 429 `insufficient_quota`, as OpenAI says it, and not to be tried
                again.
        """
        if key is None or key.tokens_per_month is None:
            return
        place = (key.id, this_month())
        with self._lock:
            used = self._known.get(place, 0) + self._fresh[place]
        if used >= key.tokens_per_month:
            raise ApiError(
                429,
                f"You exceeded your current quota: {used:,} of {key.tokens_per_month:,} tokens of this month are used."
                " It resets with the next month (UTC).",
                "insufficient_quota",
                kind="insufficient_quota",
                headers={"x-should-retry": "false"},
            )

    def used(self, key_id: str, tokens: int) -> None:
        """Counts tokens of a key with a quota; never waits for the database."""
        with self._lock:
            self._fresh[key_id, this_month()] += tokens
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._write_on, name="quotas", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Writes down what is pending."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def _write_on(self) -> None:
        while not self._stop.wait(PAUSE_S):
            self._write()
        self._write()

    def _write(self) -> None:
        with self._lock:
            fresh = {place: n for place, n in self._fresh.items() if n}
        if not fresh:
            return
        try:
            totals = self._usage.add(fresh)
        except PostgradError as error:  # tried again with the next writing; nothing is forgotten meanwhile
            _log.warning("used tokens cannot be written down: %s", error)
            return
        with self._lock:
            self._known |= totals
            self._fresh.subtract(fresh)
