"""The part of the report on whose answers are better: by a judge, and by people who voted."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class WinRatePart(_Part):
    """How often the answers of `arm` are called better than those of `against`; a tie is half a win.

    `length_controlled` is the rate for answers of equal length; None where lengths say nothing of the outcome.
    """

    arm: str
    against: str
    by: Literal["judge", "people"]
    n: int
    wins: int
    ties: int
    rate: float
    interval: tuple[float, float]
    length_controlled: float | None = None


class PreferencesPart(_Part):
    """Win rates, and whether the judge is to be believed: how often it chooses, of the data's own pairs, the
    answer that people chose."""

    judge: str = ""
    agreement: float | None = None
    agreement_interval: tuple[float, float] | None = None
    agreement_pairs: int = 0
    first_place: float | None = None
    win_rates: list[WinRatePart] = []
    sentence: str = ""
