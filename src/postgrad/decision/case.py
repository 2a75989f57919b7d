"""A case before the verdict: everything that its rules look at, with the questions that they ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from postgrad.arm_kinds import retrieves
from postgrad.decision import rules
from postgrad.decision.budget import MonthlyBudget
from postgrad.decision.form_guard import fails_by_form
from postgrad.decision.wording import forgetting_reasons, plain_benchmark
from postgrad.measures import BINDING, CONDUCT, NEIGHBOUR, ArmResult, Comparison, Forgetting

FEWEST_TO_STAY = 30
"""Test examples below which nothing is said of what a gain is likely below."""
USELESS = 0.05
"""An arm that scores less, its whole interval below twice that, is of no use to anybody, however it compares."""
HARDLY = 0.1
"""So much of the way from the score of a stranger's answer to a full score the best arm must have come."""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything the rules look at, with the questions that they ask of it."""

    arms: Mapping[str, ArmResult]
    table: rules.Comparisons
    forgetting: tuple[Forgetting, ...]
    smallest_worth: float
    accepted_miss: float
    needs_documents: bool
    budget: MonthlyBudget
    metric: str
    general_use: bool
    unfinished: str = ""
    strangers: float = 0.0
    form_kept: rules.Comparisons = field(default_factory=dict)

    @property
    def hardly_told_apart(self) -> bool:
        """Whether the best answers score hardly more than right answers to other requests."""
        best = max(a.score.value for a in self.arms.values())
        return USELESS <= self.strangers < 1 and (best - self.strangers) / (1 - self.strangers) < HARDLY

    @property
    def untrained(self) -> list[ArmResult]:
        """Those to hold trained arms against; what is too dear counts only where nothing else is left."""
        return self.budget.affordable(self.whole) or self.whole

    @property
    def whole(self) -> list[ArmResult]:
        """The untrained arms measured on the whole test part; one stopped early has lost to one of them already."""
        return [a for a in self.arms.values() if not a.requires_training and not a.stopped]

    @property
    def offered(self) -> list[ArmResult]:
        """The trained arms that may be recommended, best score first, of equal ones the cheaper."""
        trained = [a for a in self.arms.values() if a.requires_training]
        fit = [a for a in trained if not self.needs_documents or retrieves(a.name)]
        return sorted(fit, key=rules.best_first)

    @property
    def best_untrained(self) -> ArmResult:
        return min(self.untrained, key=rules.best_first)

    def between(self, arm: ArmResult, against: ArmResult) -> Comparison:
        """The comparison in that direction."""
        return rules.between(self.table, arm.name, against.name)

    def beats(self, arm: ArmResult, against: ArmResult) -> bool:
        """By more than the smallest gain worth having, interval above zero, significant after Holm."""
        return rules.beats(self.between(arm, against), self.smallest_worth)

    def hidden_rivals(self, arm: ArmResult) -> list[ArmResult]:
        """The untrained arms that fail by form and that this one does not beat any more if what they know counts."""
        table, worth = self.form_kept, self.smallest_worth
        failing = [u for u in self.untrained if fails_by_form(u)]
        return [u for u in failing if not rules.beats(rules.between(table, arm.name, u.name), worth)]

    def hardly_gains_over(self, arm: ArmResult) -> bool:
        """Whether no trained one is clearly better than this arm, or likely to gain more over it than may be missed."""
        if arm.score.value < USELESS or arm.score.n < FEWEST_TO_STAY:
            return False
        pairs = [self.between(a, arm) for a in self.offered]
        return all(not rules.clear(c) and rules.likely_below(c) < self.accepted_miss for c in pairs)

    def no_gain_over(self, arm: ArmResult) -> bool:
        """Whether a gain worth having over this arm is excluded of every trained one."""
        return all(rules.excluded(self.between(a, arm), self.smallest_worth) for a in self.offered)

    def vetoes(self, arm: ArmResult) -> list[str]:
        """Why an arm that wins may still not be recommended."""
        binding = [f for f in self.forgetting if self.general_use or f.kind not in CONDUCT or f.kind in BINDING]
        gone = [f for f in binding if f.verdict == "lost"]
        lost = [plain_benchmark(f) for f in gone if f.kind != NEIGHBOUR]
        out = [f"tuning lost general ability ({', '.join(lost)})"] if lost else []
        if tasks := [plain_benchmark(f) for f in gone if f.kind == NEIGHBOUR]:
            out.append(f"tuning lost the neighbouring {'task' if len(tasks) == 1 else 'tasks'} {', '.join(tasks)}")
        return [*out, self.budget.clause(arm.name)] if self.budget.too_dear(arm.name) else out

    def further_reasons(self) -> list[str]:
        """What a reader wants to know whatever the verdict is."""
        out = forgetting_reasons(self.forgetting)
        if self.unfinished:
            out.append(f"Of the tuned model: {self.unfinished}.")
        if self.needs_documents and any(a.requires_training and not retrieves(a.name) for a in self.arms.values()):
            out.append("The answers rest on documents, so a tuned model without retrieval is not offered.")
        return [*out, *self.budget.reasons([*self.whole, *self.offered])]


def is_useless(arm: ArmResult) -> bool:
    """Whether nobody could do the task with it."""
    return arm.score.value < USELESS and arm.score.high < 2 * USELESS
