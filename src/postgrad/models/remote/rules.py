"""What to do about a remote model's failures, and what it may cost: decisions without network."""

from __future__ import annotations

import email.utils
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from postgrad.errors import UsageError

LONGEST_WAIT = 60.0
"""Seconds; a server that asks for more is asked again after so many."""
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LETTERS_A_TOKEN = 3  # fewer than the usual four, so that the estimate before sending is rather too high


@dataclass(frozen=True, slots=True)
class Asking:
    """How answers are asked for; the same words as `Decoding` of a local model, without importing torch."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """USD for a million tokens, in and out."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """USD."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1e6


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent by this command; None for no limit. Answers that are kept from before cost nothing.

    Raises:
        UsageError: a limit in USD without a price.
    """

    max_tokens: int | None = None
    max_usd: float | None = None
    price: TokenPrice | None = None

    def __post_init__(self) -> None:
        if self.max_usd is not None and self.price is None:
            raise UsageError(
                "A limit in USD requires the model's price.",
                "Give it in USD for a million tokens, in and out: --price 0.15,0.60 (0,0 for your own server).",
            )

    def allows(self, prompt_tokens: int, completion_tokens: int) -> bool:
        """Whether so many tokens in all may be spent."""
        if self.max_tokens is not None and prompt_tokens + completion_tokens > self.max_tokens:
            return False
        if self.max_usd is None or self.price is None:
            return True
        return self.price.of(prompt_tokens, completion_tokens) <= self.max_usd


@dataclass(slots=True)
class SharedBudget:
    """What one command may spend on all remote models together.

    Attributes:
        max_usd: None for no limit.
        spent: What each model has spent until now, by name; USD.
        assumptions: The prices behind it, in sentences.
    """

    max_usd: float | None = None
    spent: dict[str, float] = field(default_factory=dict)
    assumptions: list[str] = field(default_factory=list)

    def budget(self, name: str, price: TokenPrice | None) -> Budget:
        """The limit of one model, all that it spends by this command counted; what the others spent is gone."""
        others = sum(usd for other, usd in self.spent.items() if other != name)
        return Budget(None, None if self.max_usd is None else max(0.0, self.max_usd - others), price)


def expected_tokens(messages: list[dict]) -> int:
    """Prompt tokens that a request is expected to cost at most, before a server has counted them."""
    return sum(len(str(m.get("content") or "")) // _LETTERS_A_TOKEN + 8 for m in messages)


def wait_before(attempt: int, headers: Mapping[str, str], now: float | None = None) -> float:
    """Seconds until the next attempt: what the server asks for (`retry-after-ms`, `retry-after`), else doubling from
    0.5.

    Args:
        attempt: 0 after the first failure.
        headers: Of the failed answer, names in small letters.
        now: Seconds since 1970, for dates in `retry-after`.
    """
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d+(\.\d+)?", value):
            return min(LONGEST_WAIT, float(value) / scale)
    date = email.utils.parsedate_tz(headers.get("retry-after", ""))
    if date is not None:
        return min(LONGEST_WAIT, max(0.0, email.utils.mktime_tz(date) - (time.time() if now is None else now)))
    return min(LONGEST_WAIT / 2, 0.5 * 2**attempt) * random.uniform(0.8, 1.2)


def parse_remote(text: str) -> tuple[str, str]:
    """`URL#MODEL` as (URL, model); `/v1` is put behind a URL without a path.

    Raises:
        UsageError: no URL, no model, or a password in the URL.
    """
    address, _, model = text.partition("#")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname or not model:
        raise UsageError(
            f"{clean(text, None)!r} is no remote model.", "Write it as URL#MODEL: http://127.0.0.1:8000/v1#tickets"
        )
    if parts.username or parts.password:
        raise UsageError(
            "The URL of a remote model must not hold a password: it is written into reports.",
            "Put the key into an environment variable and name it: --key-env NAME",
        )
    path = parts.path.rstrip("/") or "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, parts.query, "")), model


def clean(text: str, key: str | None) -> str:
    """A server's words without the key, without a password in a URL, on one line, not too long."""
    if key:
        text = text.replace(key, "***")
    text = re.sub(r"(?<=//)[^/\s@]+@", "***@", text)
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:300] + "…"
