"""The facts that a short text states: its numbers with what they count, its dates, times and words."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace

from postgrad.evaluation.metrics.support.quantity import Quantity, quantities
from postgrad.evaluation.metrics.support.units_of_measure import CURRENCIES, UNITS
from postgrad.facts import any_of, load_facts

_NUMBERS = load_facts("number_words")
_VALUES: dict[str, int] = _NUMBERS["numbers"]
_FACTORS: dict[str, int] = _NUMBERS["factors"]
_ORDINALS: dict[str, int] = _NUMBERS["ordinals"]
_MONTHS: list[str] = _NUMBERS["months"]
FUNCTION_WORDS = frozenset(load_facts("function_words")["function"])

_COUNTING = any_of(sorted([*_VALUES, *_FACTORS, *_ORDINALS], key=len, reverse=True))
_WORDED = re.compile(rf"(?<![\w-])(?:{_COUNTING})(?:(?:-|\s+and\s+|\s+)(?:{_COUNTING}))*(?![\w-])", re.I)
# "no one" and "the one that" count nothing; a second is mostly a measure of time.
_UNCOUNTED = re.compile(r"(?:\b(?:no|the|this|that|any|every|each|which) one|second)\Z", re.I)
_MONTH = any_of(sorted([*_MONTHS, *(m[:3] for m in _MONTHS), "sept"], key=len, reverse=True))
_DATES = (
    re.compile(r"(?<![\w.-])(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?![\w-])"),
    re.compile(r"(?<![\w.-])(?P<day>\d{1,2})(?P<cut>[./-])(?P<month>\d{1,2})(?P=cut)(?P<year>\d{4}|\d{2})(?![\w-])"),
    re.compile(
        rf"(?<!\w)(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?(?P<name>{_MONTH})\b\.?,?(?:\s+(?P<year>\d{{4}})\b)?",
        re.I,
    ),
    re.compile(
        rf"\b(?P<name>{_MONTH})\b\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?![\w:.]*\d)(?:,?\s+(?P<year>\d{{4}})\b)?",
        re.I,
    ),
    re.compile(rf"\b(?P<name>{_MONTH})\b\.?,?\s+(?:of\s+)?(?P<year>\d{{4}})\b", re.I),
)
_CLOCK = re.compile(
    r"(?<![\w:])(?P<hour>\d{1,2})(?::(?P<minute>[0-5]\d)(?::[0-5]\d)?)?\s?(?P<half>[ap]\.?m\b\.?)?(?![\w:])", re.I
)
_DIALLED = re.compile(r"(?<![\w.,])\+?\d[\d\s/()-]{5,}\d(?![\w.,]\d)")
_CODE = re.compile(r"(?<![^\W_])(?P<letters>[^\W\d_]+)[-/]?\d[\w/-]*")
_AMBIGUOUS = re.compile(r"\d{1,3}[.,]\d{3}")
_RANGE = re.compile(r"\s*(?:-|–|to|and|or|bis|und|oder)\s*\Z", re.I)
_GLUED = re.compile(r"(?<=[^\W\d_]\.)(?=\d)")
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*(?:-[^\W_]+(?:['’][^\W_]+)*)*")
_AHEAD = re.compile(r"[ \t-]*([^\W\d_]+)")
PLACE = "place"
"""The kind of a number that orders and does not count: the third step is not three steps."""
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
_LOOKED_AHEAD = 3


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written.

    Attributes:
        readings: What it may mean: "1.450" is 1,450 or 1.45.
        noun: The stem of what it counts where that is no unit of measure; empty where nothing follows.
        start: Where it stands in `Facts.text`.
        end: Where it ends.
    """

    readings: tuple[Quantity, ...]
    noun: str
    start: int
    end: int

    @property
    def kind(self) -> str:
        """What its unit measures; empty without a unit."""
        return self.readings[0].kind

    def same(self, other: Number) -> bool:
        """Whether `other` says the same. A bare number may stand for one with a unit, unless it counts something
        else."""
        if bool(self.kind) != bool(other.kind) and (self.noun or other.noun):
            return False
        return any(mine.equals(theirs) for mine in self.readings for theirs in other.readings)

    def of_one_kind(self, other: Number) -> bool:
        """Whether both say how much of the same there is, so that they contradict one another where they differ."""
        if self.kind or other.kind:
            return self.kind == other.kind
        return self.noun == other.noun


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or a time of day, as the numbers that were written of it.

    Attributes:
        readings: (year, month, day), 0 for what was left out: "3/4/2024" is in March or in April. A time of day is
            its one reading (hour, minute).
        start: Where it stands in `Facts.text`.
        end: Where it ends.
    """

    readings: tuple[tuple[int, ...], ...]
    start: int
    end: int

    @property
    def kind(self) -> int:
        """3 for a date, 2 for a time of day."""
        return len(self.readings[0])

    def same(self, other: Moment) -> bool:
        """Whether `other` says all that this one says."""
        return self.of_one_kind(other) and any(
            all(a in (0, b) for a, b in zip(mine, theirs, strict=True))
            for mine in self.readings
            for theirs in other.readings
        )

    def of_one_kind(self, other: Moment) -> bool:
        """Whether both are dates, or both times of day."""
        return self.kind == other.kind


@dataclass(frozen=True, slots=True)
class Facts:
    """What a text states.

    Attributes:
        text: The text with number words as digits; places are in it.
        numbers: In their order.
        moments: Dates and times of day.
        dialled: Long numbers that are dialled or copied, not counted, as digits.
        words: Every word, as (stems of its parts, place): `kiln-dried` has two parts.
    """

    text: str
    numbers: tuple[Number, ...]
    moments: tuple[Moment, ...]
    dialled: tuple[str, ...]
    words: tuple[tuple[tuple[str, ...], int], ...]

    def key_words(self) -> tuple[tuple[str, ...], ...]:
        """The words that are neither numbers nor function words, each as its parts."""
        taken = [(f.start, f.end) for f in (*self.numbers, *self.moments)]
        return tuple(
            parts
            for parts, at in self.words
            if not any(start <= at < end for start, end in taken)
            and not all(part in FUNCTION_WORDS or part.isdigit() for part in parts)
        )


@functools.lru_cache(maxsize=4096)
def facts_in(text: str) -> Facts:
    """The facts of a text; any text has some or none, and none is an error."""
    text = (
        unicodedata.normalize("NFC", text).replace("°", " degrees") if "°C" not in text and "°F" not in text else text
    )
    text = _WORDED.sub(_in_digits, _GLUED.sub(" ", text))
    rest, moments = text, list[Moment]()
    for found in _moments(text):
        if rest[found.start : found.end] == text[found.start : found.end]:
            moments.append(found)
            rest = _blank(rest, found.start, found.end)
    for code in _CODE.finditer(rest):
        if code["letters"] not in CURRENCIES:
            rest = _blank(rest, *code.span())
    dialled = []
    for found in _DIALLED.finditer(rest):
        digits = re.sub(r"\D", "", found[0])
        if len(digits) >= 7 and found[0][0] in "+0":
            dialled.append(digits)
            rest = _blank(rest, *found.span())
    return Facts(text, tuple(_numbers(rest)), tuple(moments), tuple(dialled), tuple(_words(text)))


def stem(word: str) -> str:
    """Without case, a possessive and a plural's s."""
    word = re.sub(r"['’]s?\Z", "", word.casefold())
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def _words(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    for found in _TOKEN.finditer(text):
        yield tuple(stem(part) for part in found[0].split("-")), found.start()


def _blank(text: str, start: int, end: int) -> str:
    return text[:start] + "\x00" * (end - start) + text[end:]


def _in_digits(found: re.Match[str]) -> str:
    """ "two hundred and fifty" → "250", "third" → "3rd"; a series that is no number stays."""
    if _UNCOUNTED.search(found.string[: found.end()]):
        return found[0]
    words = [w for w in re.split(r"[-\s]+", found[0].lower()) if w != "and"]
    if any(w in _ORDINALS for w in words):
        place = _ORDINALS[words[0]] if len(words) == 1 else 0
        return f"{place}{_ENDINGS.get(place, 'th')}" if place else found[0]
    total = part = 0
    last = 1000
    for word in words:
        if word in _VALUES:
            value = _VALUES[word]
            if part and not (last >= 20 and value < 10) and last < 100:
                return found[0]
            part, last = part + value, value
        elif not (part or total) and word != words[0]:
            return found[0]
        elif word == "hundred":
            part, last = (part or 1) * 100, 100
        else:
            total, part, last = total + (part or 1) * _FACTORS[word], 0, 1000
    return str(total + part)


def _moments(text: str) -> Iterator[Moment]:
    for pattern in _DATES:
        for found in pattern.finditer(text):
            if readings := _dates(found.groupdict()):
                yield Moment(readings, *found.span())
    for found in _CLOCK.finditer(text):
        half = (found["half"] or "").lower()
        if found["minute"] is None and not half:
            continue
        hour = int(found["hour"])
        if half:
            hour = hour % 12 + (12 if half.startswith("p") else 0)
        if hour <= 24:
            yield Moment(((hour, int(found["minute"] or 0)),), *found.span())


def _dates(parts: dict[str, str | None]) -> tuple[tuple[int, int, int], ...]:
    """The readings of a date; none where it is no date."""
    year, day = int(parts.get("year") or 0), int(parts.get("day") or 0)
    if 0 < year < 100:
        year += 2000 if year < 70 else 1900
    if name := parts.get("name"):
        month = next(i for i, m in enumerate(_MONTHS, 1) if m.startswith(name.lower()[:3]))
        return ((year, month, day),) if day <= 31 else ()
    month = int(parts["month"] or 0)
    pairs = {(month, day), (day, month)} if parts.get("cut") == "/" else {(month, day)}
    return tuple((year, m, d) for m, d in sorted(pairs) if 1 <= m <= 12 and 1 <= d <= 31)


def _numbers(text: str) -> list[Number]:
    found = quantities(text)
    numbers: list[Number] = []
    for quantity, start, end in found:
        written = text[start:end]
        readings = [quantity]
        if (figure := _AMBIGUOUS.search(written)) and re.fullmatch(r"\D*\d{1,3}[.,]\d{3}\D*", written):
            plain = figure[0].replace(",", ".")
            readings = [replace(quantity, number=n) for n in (float(plain), float(plain) * 1000)]
        noun = ""
        if re.match(r"(?:st|nd|rd|th)\b", text[end:]):
            readings = [replace(q, kind=PLACE) for q in readings]
        elif not quantity.kind:
            noun, unit = _counted(text, end)
            if unit:
                kind, factor, offset = unit
                readings = [replace(q, kind=kind, factor=factor, offset=offset) for q in readings]
        numbers.append(Number(tuple(readings), noun, start, end))
    for i in range(len(numbers) - 2, -1, -1):  # "5 to 7 days", "5-7 days"
        here, after = numbers[i], numbers[i + 1]
        if not here.kind and not here.noun and _RANGE.fullmatch(text[here.end : after.start]):
            after_unit = after.readings[0]
            same_unit = [
                replace(q, kind=after_unit.kind, factor=after_unit.factor, offset=after_unit.offset)
                for q in here.readings
            ]
            numbers[i] = replace(here, readings=tuple(same_unit), noun=after.noun)
    return numbers


def _counted(text: str, end: int) -> tuple[str, tuple[str, float, float] | None]:
    """The stem of the word behind a number, and the unit where one follows a word or two later ("37 calendar days")."""
    noun = ""
    for _ in range(_LOOKED_AHEAD):
        found = _AHEAD.match(text, end)
        if found is None or found[1].casefold() in FUNCTION_WORDS:
            break
        word = found[1] if found[1] in {**UNITS, **CURRENCIES} else found[1].lower()
        if len(word) > 2 and word in UNITS:
            return "", UNITS[word]
        if word in CURRENCIES:
            return "", (CURRENCIES[word], 1.0, 0.0)
        noun = noun or stem(word)
        end = found.end()
    return noun, None
