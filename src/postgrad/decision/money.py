"""When a fine-tuned model is earned back against each alternative, and how far that hangs on the assumptions. No
I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

DAYS_A_MONTH = 30.4


@dataclass(frozen=True, slots=True)
class Costs:
    """What is spent once and what each answer costs; USD.

    Attributes:
        training: Machine time of the training.
        data_work: People's time spent on the data.
        per_answer: Arm → price of one answer.
        wrong: What one wrong answer costs (a person's time, a refund); 0 where only answers' prices count.
        errors: Arm → share of answers that are wrong.
        monthly_queries: Expected traffic.
        bought: Arms whose answers are bought by the token; the price of machine time does not move theirs.
    """

    training: float
    data_work: float
    per_answer: Mapping[str, float]
    wrong: float = 0.0
    errors: Mapping[str, float] | None = None
    monthly_queries: int | None = None
    bought: frozenset[str] = frozenset()

    @property
    def invested(self) -> float:
        return self.training + self.data_work

    def answer(self, arm: str) -> float:
        """What an answer of this arm costs, with what its errors cost."""
        return self.per_answer[arm] + self.wrong * (self.errors or {}).get(arm, 0.0)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """After so many queries, and days, the investment is earned back; None: never, or no traffic is known."""

    against: str
    saving_per_1000: float
    queries: int | None
    days: float | None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """What becomes of the break-even in days when one assumption is another."""

    assumption: str
    days: float | None


def break_even(costs: Costs, tuned: str, others: Sequence[str]) -> list[BreakEven]:
    """The break-even of the arm `tuned` against each of the other arms whose price is known."""
    out = []
    for other in others:
        if other not in costs.per_answer or tuned not in costs.per_answer:
            continue
        saving = costs.answer(other) - costs.answer(tuned)
        queries = _ceil(costs.invested / saving) if saving > 0 else None
        monthly = costs.monthly_queries
        days = queries / monthly * DAYS_A_MONTH if queries is not None and monthly else None
        out.append(BreakEven(other, 1000 * saving, queries, days))
    return out


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
        if costs.wrong:
            rows.append((f"{word} the cost of a wrong answer", replace(costs, wrong=costs.wrong * factor)))
    found = [(name, break_even(changed, tuned, [against])) for name, changed in rows]
    return [Sensitivity(name, row[0].days) for name, row in found if row]


def _ceil(value: float) -> int:
    return int(-(-value // 1))
