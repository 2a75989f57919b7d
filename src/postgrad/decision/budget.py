"""What may be spent a month, and which arms cost more. Policy without I/O.

An arm that costs more than the budget is no choice: it is neither recommended nor in the way of another arm. The
training is spent once and is not in it; the report's break-even weighs that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from postgrad.decision.wording import opening_name, plain_name, usd
from postgrad.measures import ArmResult, Verdict

_TOO_DEAR = "what works is beyond the budget"


@dataclass(frozen=True, slots=True)
class MonthlyBudget:
    """The limit beside the costs.

    Attributes:
        costs: USD a month by arm, where known: its answers at the expected traffic, hosting, maintenance, monitoring.
        limit: What may be spent a month; None for no limit.
    """

    costs: Mapping[str, float] = field(default_factory=dict)
    limit: float | None = None

    def too_dear(self, arm: str) -> bool:
        cost = self.costs.get(arm)
        return self.limit is not None and cost is not None and cost > self.limit

    def affordable(self, arms: Sequence[ArmResult]) -> list[ArmResult]:
        """Those that fit or whose price nobody knows."""
        return [a for a in arms if not self.too_dear(a.name)]

    def clause(self, arm: str) -> str:
        """Of an arm that is too dear: what it costs and what may be spent."""
        return f"it costs {usd(self.costs[arm])} USD a month where {usd(self.limit or 0)} may be spent"

    def reasons(self, arms: Sequence[ArmResult]) -> list[str]:
        """Which arms are too dear, and of which nobody knows."""
        dear = [a.name for a in arms if self.too_dear(a.name)]
        out = [f"{opening_name(name)} is not recommended: {self.clause(name)}." for name in dear]
        unpriced = [a.name for a in arms if a.name not in self.costs]
        if self.limit is not None and unpriced:
            out.append(f"No price is known for {', '.join(unpriced)}: the budget could not be checked.")
        return out

    def kept_by(self, verdict: Verdict, recommended: str) -> Verdict:
        """The verdict, or that nothing can be recommended where even its arm is too dear."""
        if not self.too_dear(recommended):
            return verdict
        sentence = (
            f"Cannot tell within the budget: without it the answer would be {plain_name(recommended)}, but"
            f" {self.clause(recommended)}, and nothing cheaper is shown to be as good."
        )
        return Verdict(
            "cannot_tell", sentence, (verdict.sentence, *verdict.reasons), verdict.comparisons, why=_TOO_DEAR
        )
