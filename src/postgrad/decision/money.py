"""What is spent once, each month and for each answer; when a model is earned back against each alternative, and how far
that hangs on the assumptions. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from postgrad.arm_kinds import is_trivial, recommended_arm, retrieves
from postgrad.costs import DAYS_A_MONTH
from postgrad.decision.case import is_useless
from postgrad.measures import ArmResult

BY_HAND = "answered by hand"
"""The rival of an arm whose answers save people's work."""
ALTERNATIVE = 0.5
"""An arm whose score is below this share of the best one's is no alternative, however little its answers cost."""
_NOISE = 1e-9
"""Relative error of sums of prices: a smaller saving is none."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What is spent once, each month and for each answer; USD.

    Attributes:
        training: Machine time of one training.
        data_work: People's time spent on the data.
        per_answer: Arm → price of one answer.
        wrong: What one wrong answer costs (a person's time, a refund); 0 where only answers' prices count.
        errors: Arm → share of answers that are wrong.
        monthly_queries: Expected traffic.
        bought: Arms whose answers are bought by the token; the price of machine time does not move theirs.
        iterations: How many trainings are planned.
        evaluation: What the answers of all arms in the comparison cost.
        other: Whatever else is spent once.
        monthly: Arm → what is paid each month however much it answers: hosting, maintenance, monitoring.
    """

    training: float
    data_work: float
    per_answer: Mapping[str, float]
    wrong: float = 0.0
    errors: Mapping[str, float] | None = None
    monthly_queries: int | None = None
    bought: frozenset[str] = frozenset()
    iterations: int = 1
    evaluation: float = 0.0
    other: float = 0.0
    monthly: Mapping[str, float] = field(default_factory=dict)

    @property
    def invested(self) -> float:
        return self.training * self.iterations + self.data_work + self.evaluation + self.other

    def answer(self, arm: str) -> float:
        """What an answer of this arm costs, with what its errors cost."""
        return self.per_answer[arm] + self.wrong * (self.errors or {}).get(arm, 0.0)

    def fixed(self, arm: str) -> float:
        """What this arm costs a month however much it answers."""
        return self.monthly.get(arm, 0.0)

    def paid_monthly(self, arm: str) -> float | None:
        """All that is paid for this arm a month; None without traffic."""
        if not self.monthly_queries:
            return None
        return self.monthly_queries * self.per_answer[arm] + self.fixed(arm)

    def wrong_monthly(self, arm: str) -> float | None:
        """What its wrong answers cost a month; None where that is not known."""
        if not self.monthly_queries or not self.wrong or arm not in (self.errors or {}):
            return None
        return self.monthly_queries * (self.answer(arm) - self.per_answer[arm])

    def per_right(self, arm: str) -> float | None:
        """What is paid for one right answer, the monthly costs included where the traffic is known (of graded scores:
        for one whole score); None where nothing is right."""
        right = 1 - (self.errors or {}).get(arm, 0.0)
        monthly = self.fixed(arm) / self.monthly_queries if self.monthly_queries else 0.0
        return (self.per_answer[arm] + monthly) / right if right > 0 else None


@dataclass(frozen=True, slots=True)
class BreakEven:
    """After so many queries, days and months the investment is earned back; None: never, or no traffic is known.

    Attributes:
        saving_per_1000: By the answers alone.
        monthly_saving: With the monthly costs; None without traffic.
    """

    against: str
    saving_per_1000: float
    queries: int | None
    days: float | None
    monthly_saving: float | None = None
    months: float | None = None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What becomes of the break-even in days when one assumption is another."""

    assumption: str
    days: float | None


def break_even(costs: Costs, tuned: str, others: Sequence[str]) -> list[BreakEven]:
    """The break-even of the arm `tuned` against each of the other arms whose price is known."""
    priced = [other for other in others if {other, tuned} <= costs.per_answer.keys()]
    return [_break_even(costs, tuned, other) for other in priced]


def _break_even(costs: Costs, tuned: str, other: str) -> BreakEven:
    saving = costs.answer(other) - costs.answer(tuned)
    extra, traffic = costs.fixed(tuned) - costs.fixed(other), costs.monthly_queries
    if not traffic:
        # what differs by the month needs the traffic
        queries = _ceil(costs.invested / saving) if saving > 0 and not extra else None
        return BreakEven(other, 1000 * saving, queries, None)
    monthly = traffic * saving - extra
    bill = max(traffic * costs.answer(other) + costs.fixed(other), traffic * costs.answer(tuned) + costs.fixed(tuned))
    if monthly <= _NOISE * bill:
        return BreakEven(other, 1000 * saving, None, None, monthly)
    months = costs.invested / monthly
    return BreakEven(other, 1000 * saving, _ceil(months * traffic), months * DAYS_A_MONTH, monthly, months)


def sensitivity(costs: Costs, tuned: str, against: str) -> list[Sensitivity]:
    """Break-even in days against one arm when each assumption is halved and doubled; none without traffic."""
    if not costs.monthly_queries:
        return []
    rows = [("as assumed", costs)]
    for factor, word in ((0.5, "half"), (2.0, "twice")):
        rows.append((f"{word} the traffic", replace(costs, monthly_queries=round(costs.monthly_queries * factor))))
        prices = {arm: price * (1 if arm in costs.bought else factor) for arm, price in costs.per_answer.items()}
        rows.append(
            (f"{word} the price of machine time", replace(costs, training=costs.training * factor, per_answer=prices))
        )
        if costs.data_work:
            rows.append((f"{word} the work on the data", replace(costs, data_work=costs.data_work * factor)))
        if costs.other:
            rows.append((f"{word} the other one-off costs", replace(costs, other=costs.other * factor)))
        if any(costs.monthly.values()):
            monthly = {arm: value * factor for arm, value in costs.monthly.items()}
            rows.append((f"{word} the monthly costs", replace(costs, monthly=monthly)))
        if costs.wrong:
            rows.append((f"{word} the cost of a wrong answer", replace(costs, wrong=costs.wrong * factor)))
    found = [(name, break_even(changed, tuned, [against])) for name, changed in rows]
    return [Sensitivity(name, row[0].days) for name, row in found if row]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What comes of a price before anything is measured; USD. `months` None: never earned back."""

    one_off: float
    monthly_costs: float
    monthly_saving: float
    months: float | None


def forecast(
    queries: int, now: float, tuned: float, one_off: Sequence[float], monthly_costs: Sequence[float]
) -> list[Forecast]:
    """The break-even for each pair of a one-off and a monthly cost.

    Args:
        queries: Answers a month.
        now: What an answer costs now.
        tuned: What an answer of the tuned model costs beside its monthly costs.
        one_off: What is spent once; each is tried.
        monthly_costs: What the tuned model costs a month; each is tried.
    """
    out = []
    for once in one_off:
        for monthly in monthly_costs:
            costs = Costs(
                0.0,
                0.0,
                {"now": now, "tuned": tuned},
                monthly_queries=queries,
                other=once,
                monthly={"tuned": monthly},
            )
            row = _break_even(costs, "tuned", "now")
            out.append(Forecast(once, monthly, queries * (now - tuned) - monthly, row.months))
    return out


@dataclass(frozen=True, slots=True)
class Labour:
    """The work of people that an arm saves.

    Attributes:
        per_answer: What answering by hand costs, in USD.
        automated: Share of the answers that no person has to see.
        wrong: Share of those that is wrong.
    """

    per_answer: float
    automated: float
    wrong: float = 0.0

    def saved_monthly(self, queries: int) -> float:
        """USD a month, before what the arm costs."""
        return queries * self.automated * self.per_answer


def against_hand(costs: Costs, arm: str, labour: Labour) -> list[BreakEven]:
    """The break-even against people who answer everything: saved is what is not answered by hand any more."""
    prices = {**costs.per_answer, BY_HAND: labour.automated * labour.per_answer}
    errors = {arm: labour.automated * labour.wrong}
    return break_even(replace(costs, per_answer=prices, errors=errors), arm, [BY_HAND])


def priced_arm(arms: Sequence[ArmResult], recommendation: str, needs_documents: bool = False) -> ArmResult | None:
    """Whose investment and monthly costs are told: the recommended arm's; where nothing is recommended the best trained
    one's that may be offered; None where there is neither."""
    name = recommended_arm(recommendation)
    if found := next((a for a in arms if a.name == name), None):
        return found
    offered = [a for a in arms if a.requires_training and (not needs_documents or retrieves(a.name))]
    return max(offered, key=lambda a: a.score.value, default=None)


def unfit_because(arms: Sequence[ArmResult]) -> dict[str, str]:
    """Arm → why it does not do the task, half a sentence. Against such an arm nothing is earned back, and it earns
    nothing itself."""
    best = max((a.score.value for a in arms), default=0.0)
    found = {a.name: _unfit(a, best) for a in arms}
    return {name: why for name, why in found.items() if why}


def _unfit(arm: ArmResult, best: float) -> str:
    if is_trivial(arm.name):
        return "says the same to every request"
    if is_useless(arm):
        return "gets next to nothing right"
    return "scores less than half of the best arm" if arm.score.value < ALTERNATIVE * best else ""


def _ceil(value: float) -> int:
    """Rounded up, but not for the noise of floating point."""
    return math.ceil(value * (1 - _NOISE))
