"""Quantities in text: numbers as people write them (1,234.5; 1.234,50 €; 12 %; $1.2 million; 3 km), with their unit."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from postgrad.evaluation.metrics.support.units_of_measure import CURRENCIES, SCALES, SHARE, UNITS

_PLAIN = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
_NUMBER = re.compile(rf"(?<![\w.])[-+−]?{_PLAIN}|(?<![\w.])[-+−]?\.\d+")
_MARK = "####"


def _either(words: Iterable[str]) -> str:
    return "|".join(re.escape(w) for w in sorted(words, key=len, reverse=True))


_QUANTITY = re.compile(
    r"(?<![\w.])(?P<sign>[-+−])?"
    rf"(?:(?P<before>{_either(CURRENCIES)})\s?)?(?P<minus>[-−])?"
    r"(?P<number>"
    r"\d{1,3}(?:\.\d{3})+,\d+(?![\d,])"  # 1.234,50
    r"|\d{1,3}(?:\.\d{3}){2,}(?![\d.])"  # 1.234.567
    r"|\d{1,3}(?:[\u00a0\u202f\u2009'’]\d{3})+(?:[.,]\d+)?(?!\d)"  # 1 234,5 with a narrow space
    r"|\d+,\d{1,2}(?![\d,])"  # 12,50
    rf"|{_PLAIN}|\.\d+)"
    rf"(?:\s?(?P<scale>{_either(SCALES)})(?!\w))?"
    rf"(?:[\s-]?(?P<unit>{_either([*CURRENCIES, *UNITS])})(?![\w/²³]))?"
)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit.

    Attributes:
        number: As written, scale words multiplied in.
        kind: What is measured (`length`, `USD`, `share` for per cent); empty without a unit.
        factor: Of the unit: `number * factor + offset` is in the kind's base unit.
        offset: For degrees alone.
    """

    number: float
    kind: str = ""
    factor: float = 1.0
    offset: float = 0.0

    @property
    def value(self) -> float:
        """In the kind's base unit."""
        return self.number * self.factor + self.offset

    def equals(self, other: Quantity, tolerance: float = 0.0, relative: float = 1e-9) -> bool:
        """Whether `other` says the same; `tolerance` is in this one's unit. A unit that only one has is forgiven."""
        if self.kind and other.kind:
            near = tolerance * self.factor
            return self.kind == other.kind and alike(other.value, self.value, near, relative)
        if alike(other.number, self.number, tolerance, relative):
            return True
        shares = SHARE in (self.kind, other.kind)  # 12 % may be written as 0.12
        return shares and alike(other.value, self.value, tolerance * self.factor, relative)


def alike(left: float, right: float, tolerance: float, relative: float) -> bool:
    """Within either tolerance."""
    return math.isclose(left, right, rel_tol=relative, abs_tol=tolerance)


def last_number(text: str) -> float | None:
    """The last finite number in `text` ("1,234.5" is one number), units and scale words left aside, or None."""
    found = _NUMBER.findall(_result(text))
    return _finite(found[-1].replace(",", "")) if found else None


def last_quantity(text: str) -> Quantity | None:
    """The last finite number in `text` with its unit, or None."""
    text = _result(text)
    found = list(_QUANTITY.finditer(text))
    return _read(found[-1], whole=found[-1].group().strip() == text.strip()) if found else None


def quantities(text: str) -> list[tuple[Quantity, int, int]]:
    """Every finite number in `text` with its unit, and from where to where it stands."""
    found = ((_read(q, whole=q.group().strip() == text.strip()), *q.span()) for q in _QUANTITY.finditer(text))
    return [(quantity, start, end) for quantity, start, end in found if quantity is not None]


def is_quantity(text: str) -> bool:
    """Whether `text` is a number, with or without a unit, and nothing else."""
    return bool(_QUANTITY.fullmatch(text.strip().removesuffix(".")))


def _result(text: str) -> str:
    """What stands after the last `####`, if a number does."""
    _, mark, rest = text.rpartition(_MARK)
    return rest if mark and _NUMBER.search(rest) else text


def _finite(digits: str) -> float | None:
    value = float(digits.replace("−", "-"))
    return value if math.isfinite(value) else None


def _read(found: re.Match[str], whole: bool) -> Quantity | None:
    unit = found["unit"] or found["before"] or ""
    value = _finite(_digits(found["number"], decimal_comma=whole or bool(unit)))
    if value is None:
        return None
    if found["sign"] in ("-", "−") or found["minus"]:
        value = -value
    scale = found["scale"] or ""
    money = unit in CURRENCIES or found["before"] is not None
    if scale and (scale not in ("m", "M", "b", "B") or money):
        value *= SCALES[scale]
    elif scale:
        unit = unit or scale  # 5 m are metres
    if money:
        return Quantity(value, CURRENCIES[found["before"] or unit])
    kind, factor, offset = UNITS.get(unit, ("", 1.0, 0.0))
    return Quantity(value, kind, factor, offset) if math.isfinite(value * factor) else None


def _digits(text: str, decimal_comma: bool) -> str:
    """The number as Python reads it."""
    text = re.sub(r"[\u00a0\u202f\u2009'’]", "", text)
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}", text):
        return text.replace(".", "").replace(",", ".")
    if re.fullmatch(r"\d+,\d{1,2}", text):  # 12,50 € is a price, and the 2 of "1,2" the end of a list
        return text.replace(",", ".") if decimal_comma else text.partition(",")[2]
    return text.replace(",", "")
