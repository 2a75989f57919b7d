"""Dated prices: those that come with postgrad, and above them those that a refresh left in the state folder.

A refresh reads one JSON file at an address and replaces the kept prices whole, or not at all.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from postgrad.errors import UsageError
from postgrad.facts import load_facts
from postgrad.storage import home, write_atomic

OLD_DAYS = 180
"""Older prices are said to be old."""
TRAINING = "million training tokens"
_SECONDS = 20.0
_MOST_BYTES = 20_000_000
UNCHANGED = "Nothing was changed; the prices of before still hold."
_FORM = (
    '{"gpu_h100": {"usd": 2.9, "unit": "hour", "what": "…", "date": "2026-11-27", "source": "…", "names": ["H100"]}}'
)


@dataclass(frozen=True, slots=True)
class Price:
    """One price.

    Attributes:
        key: Its name in the file.
        usd: For one `unit`.
        unit: Of what: an hour, a million training tokens.
        what: What is bought, and where.
        date: ISO; "" where the source states none.
        source: Where the figure stands.
        names: Words in the names of devices that it is for.
        answers: Of a service that trains: USD for a million tokens in and out of what it serves afterwards.
    """

    key: str
    usd: float
    unit: str
    what: str
    date: str
    source: str
    names: tuple[str, ...] = ()
    answers: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        texts = (self.unit, self.what, self.date, self.source, *self.names)
        numbers = (self.usd, *(self.answers or ()))
        priced = all(type(n) in (int, float) and 0 <= n < 1e9 for n in numbers)
        if self.answers is not None and len(self.answers) != 2:
            raise ValueError(f"{self.key}: `answers` are two numbers, for a million tokens in and out")
        if not priced or not all(isinstance(t, str) for t in texts):
            raise ValueError(f"{self.key}: `usd` must be a number from 0 on, and all else text")
        if self.date:
            date.fromisoformat(self.date)

    def age(self, today: date) -> int | None:
        """Days since its date; None where it has none."""
        return (today - date.fromisoformat(self.date)).days if self.date else None

    def is_old(self, today: date) -> bool:
        """Whether it should be looked up again: old, or of an unknown day."""
        age = self.age(today)
        return age is None or age > OLD_DAYS

    @property
    def sentence(self) -> str:
        """The price with what it rests on."""
        return f"{self.usd:g} USD for one {self.unit}: {self.origin}."

    @property
    def origin(self) -> str:
        """What is bought, with date and source."""
        return f"{self.what} ({self.date or 'undated'}; {self.source})"


def kept_at() -> Path:
    """Where a refresh leaves its prices."""
    return home() / "prices.json"


def all_prices() -> dict[str, Price]:
    """Every price by its key; the refreshed ones go before those that come with postgrad.

    Raises:
        UsageError: The kept file cannot be read.
    """
    found = _parsed(load_facts("prices"))
    path = kept_at()
    if path.exists():
        try:
            found |= _parsed(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise UsageError(
                f"The kept prices {str(path)!r} cannot be read: {error}",
                "Delete the file, or fetch it again: postgrad prices --refresh --url URL.",
            ) from error
    return found


def device_price(kind: str, name: str = "") -> Price:
    """The price of an hour on this device.

    Args:
        kind: `cpu` or `cuda`.
        name: As the driver calls it: "NVIDIA H100 80GB HBM3". The longest word of a price that stands in it decides.
    """
    prices = all_prices()
    if kind != "cuda":
        return prices["own_cpu"]
    fitting = [
        (len(word), price)
        for price in prices.values()
        for word in price.names
        if re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", name, re.I)
    ]
    return max(fitting, key=lambda pair: pair[0])[1] if fitting else prices["own_gpu"]


def hosted_training() -> list[Price]:
    """What services ask for training, the cheapest first."""
    return sorted((p for p in all_prices().values() if p.unit == TRAINING), key=lambda p: p.usd)


def refresh(url: str) -> dict[str, Price]:
    """Fetches a price file and keeps it; a failure leaves the kept prices as they are.

    Args:
        url: Of a JSON object of prices by key, in the form of `facts/prices.toml`; http or https.

    Raises:
        UsageError: The address cannot be read, or what stands there are no prices.
    """
    content = read_json(url)
    try:
        found = _parsed(content)
    except (ValueError, TypeError) as error:
        raise UsageError(
            f"The prices at {url!r} could not be read: {error}", f"{UNCHANGED} The form: {_FORM}"
        ) from error
    if not found:
        raise UsageError(f"There are no prices at {url!r}.", f"{UNCHANGED} The form: {_FORM}")
    write_atomic(
        kept_at(),
        json.dumps({k: {n: v for n, v in asdict(p).items() if n != "key"} for k, p in found.items()}, indent=1),
    )
    return found


def read_json(url: str) -> object:
    """What stands at an http or https address.

    Raises:
        UsageError: It cannot be read within 20 seconds, is larger than 20 MB, or is not JSON.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"{url!r} is no address of prices.", f"Give one with http:// or https://. {UNCHANGED}")
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - http(s) alone, checked above
            content = answer.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError("it is larger than 20 MB")
        return json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        raise UsageError(f"The prices at {url!r} could not be read: {error}", UNCHANGED) from error


def _parsed(content: object) -> dict[str, Price]:
    if not isinstance(content, Mapping):
        raise ValueError("an object with prices by key is needed")
    out = {}
    for key, item in content.items():
        if not isinstance(item, Mapping):
            raise ValueError(f"{key}: an object is needed")
        given = dict(item)
        names = given.pop("names", ())
        if isinstance(names, str):
            raise ValueError(f"{key}: `names` must be a list")
        answers = given.pop("answers", None)
        if answers is not None and not isinstance(answers, list | tuple):
            raise ValueError(f"{key}: `answers` must be a list of two numbers")
        pair = None if answers is None else tuple(answers)
        out[str(key)] = Price(str(key), **given, names=tuple(names), answers=pair)
    return out
