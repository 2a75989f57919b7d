"""The parts of a report about money, in USD: what is spent once, each month and for an answer, and when it is earned
back."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class BreakEvenPart(_Part):
    """The queries, days and months until the investment is paid back against an arm; None: never, or no traffic known.

    `saving_per_1000` is that of the answers alone, `monthly_saving` has the monthly costs in it.
    """

    against: str
    saving_per_1000: float
    queries: int | None
    days: float | None
    monthly_saving: float | None = None
    months: float | None = None


class ArmCostPart(_Part):
    """What an arm costs while it is used.

    `per_right` is paid for one right answer, `monthly` for all answers with hosting, maintenance and monitoring; what
    its wrong answers cost besides is `wrong_monthly`. `unfit` says why it does not do the task.
    """

    arm: str
    per_answer: float
    per_right: float | None = None
    monthly: float | None = None
    wrong_monthly: float | None = None
    unfit: str = ""


class CostPart(_Part):
    """Money: USD. `training` is one training; `per_1000` the price of a thousand answers as measured; `sensitivity` is
    (assumption, break-even in days); `busy_hours` are the hours a month for which each arm keeps this machine busy.

    `priced` is the arm whose figures are told: `once` (`data_work`, `training` of all iterations, `evaluation`,
    `other`), `monthly` (`answers`, `hosting`, `maintenance`, `monitoring`) and the break-even. `labour_saved_monthly`
    is the work of people that its answers save.
    """

    training: float = 0.0
    data_work: float = 0.0
    per_1000: dict[str, float] = {}
    monthly_queries: int | None = None
    break_even_days: float | None = None
    break_even: list[BreakEvenPart] = []
    sensitivity: list[tuple[str, float | None]] = []
    busy_hours: dict[str, float] = {}
    assumptions: list[str] = []
    priced: str | None = None
    iterations: int = 1
    once: dict[str, float] = {}
    monthly: dict[str, float] = {}
    by_arm: list[ArmCostPart] = []
    labour_saved_monthly: float | None = None
