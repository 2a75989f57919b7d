"""How the pages write numbers and names, so that a share, a price or a time looks the same in every table and picture.

Pure functions from values to short strings; none of them knows HTML.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from postgrad.arm_kinds import is_trained, label, recommended_arm, retrieves
from postgrad.costs import DAYS_A_MONTH
from postgrad.json_types import JsonMapping

NOTHING = "–"
MONEY = {
    "data_work": "work on the data",
    "training": "training",
    "evaluation": "evaluation",
    "other": "other one-off costs",
    "answers": "answers",
    "hosting": "hosting",
    "maintenance": "maintenance and retraining",
    "monitoring": "monitoring",
}
"""What sums of a report's money are for."""
PER_CENT = "\N{NO-BREAK SPACE}%"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def recommendation_words(recommendation: str, called: Callable[[str], str] = label) -> str:
    """Word the badge of the first screen."""
    if recommendation == "cannot_tell":
        return "Cannot tell"
    arm = recommended_arm(recommendation)
    if is_trained(arm):
        return "Fine-tune" + (", keep retrieval" if retrieves(arm) else "")
    return f"Use {called(arm)}"


def plain(text: str) -> str:
    """Replace characters that neither XML nor UTF-8 can carry."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def shorten(text: str, limit: int) -> str:
    """Fold white space and cut to at most `limit` characters, the last of them an ellipsis where something was cut."""
    folded = " ".join(text.split())
    return folded if len(folded) <= limit else folded[: limit - 1].rstrip() + "…"


def score(value: float | None, share: bool = True) -> str:
    """Write a score: as per cent where the run's scores are shares of one, else with three digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"{_minus(f'{100 * value:.1f}')}{PER_CENT}" if share else _minus(f"{value:.3g}")


def span(interval: tuple[float, float], share: bool = True) -> str:
    """Write an interval without sign."""
    low, high = interval
    return f"{score(low, share).removesuffix(PER_CENT)} to {score(high, share)}"


def gain(value: float, share: bool = True) -> str:
    """Write a difference of scores with its sign; shares in (percentage) points."""
    if not math.isfinite(value):
        return NOTHING
    return _minus(f"{100 * value:+.1f}" if share else f"{value:+.3g}")


def gain_span(interval: tuple[float, float], share: bool = True) -> str:
    """Write the interval of a difference."""
    return f"{gain(interval[0], share)} to {gain(interval[1], share)}"


def confidence(level: float) -> str:
    """Write the confidence of an interval, in per cent."""
    return f"{100 * level:.4g} %"


def p_value(value: float | None) -> str:
    """Write a p-value with no more digits than it deserves."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def money(value: float | None) -> str:
    """Write US dollars; very small prices keep two significant digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if value == 0:
        return "$0"
    if value < 0:
        return _minus("-") + money(-value)
    if value < 1e-6:
        return "under $0.000001"
    if value < 0.01:
        digits = 1 - math.floor(math.log10(value))
        return f"${value:.{digits}f}"
    return f"${value:,.0f}" if value >= 1000 else f"${value:.2f}"


def money_rows(sums: Mapping[str, float]) -> list[tuple[str, float]]:
    """Put sums of money into words, without those that are nothing."""
    return [(MONEY.get(name, spaced(name)), usd) for name, usd in sums.items() if usd]


def days(count: float) -> str:
    """Write a time to break even: days, from three months on months."""
    months = count / DAYS_A_MONTH
    return f"{months:,.1f} months".replace(".0 ", " ") if months >= 3 else f"{number(count)} days"


def duration(seconds: float) -> str:
    """Write a time in its two largest units."""
    if not math.isfinite(seconds):
        return NOTHING
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = round(seconds)
    for size, name, small, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // small
            return f"{whole // size} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{whole} s"


def size(count: float) -> str:
    """Write bytes in decimal units."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def number(value: float | None) -> str:
    """Write a count or a plain number with separators."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if float(value).is_integer():
        return _minus(f"{value:,.0f}")
    return _minus(f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}")


def moment(iso: str) -> str:
    """Write an ISO time for people; what is no ISO time comes back as it is."""
    try:
        when = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    day = f"{when.day} {when:%B %Y}"
    return f"{day}, {when:%H:%M} {when.tzname() or ''}".rstrip() if len(iso) > len("2026-03-01") else day


def spaced(name: str) -> str:
    """Write a field's name with spaces."""
    return name.replace("_", " ")


def facts(mapping: JsonMapping, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Flatten nested settings into (name, value) rows; empty values are left out."""
    for key, value in mapping.items():
        name = f"{prefix}{spaced(str(key))}"
        if isinstance(value, Mapping):
            yield from facts(value, f"{name} · ")
        elif value is not None and value != "" and value != []:
            yield name, plain(_fact(value))


def _fact(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        inner = "; " if any(isinstance(item, list | tuple) for item in value) else ", "
        return inner.join(_fact(item) for item in value)
    return str(value)


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def file_name(place: str) -> str:
    """A file without its folders, which are those of one machine; addresses stay."""
    return place if "://" in place else place.replace("\\", "/").rsplit("/", 1)[-1]
