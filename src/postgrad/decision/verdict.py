"""The verdict: fine-tune, take another arm, or admit that the test set cannot tell. Policy without I/O.

The rules are DESIGN section 6; why they are fair to both sides is in `design/0003-statistics.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postgrad.arm_kinds import is_trivial, recommendation, recommended_arm, retrieves
from postgrad.decision import rules
from postgrad.decision.budget import MonthlyBudget
from postgrad.decision.case import USELESS, Case, is_useless
from postgrad.decision.form_guard import if_form_kept
from postgrad.decision.wording import (
    about,
    achieved,
    achieved_too,
    cheaper_clause,
    comparison_reason,
    comparison_reasons,
    forgetting_clause,
    gain_excluded,
    interval,
    opening_name,
    plain_name,
    points,
    right_or_wrong,
    too_few,
)
from postgrad.measures import ArmResult, Comparison, Forgetting, Verdict

SMALLEST_WORTH = 0.02
ACCEPTED_MISS = 0.05
"""A gain above this is to be missed in one case of five at most where the verdict stays with an untrained arm."""
NOTHING_WORKS = "nothing does the task well"
FORM = "a rival is right but not in the required form"
CUT_SHORT = "training was cut short and was still improving"
_ONE_ANSWER = "nothing is shown to beat one answer to everything"
_COSTS_ABILITY = "the gain costs other abilities"
USELESS_REASON = f"All arms score below {points(USELESS)} points, and their intervals lie below {points(2 * USELESS)}."


def decide(
    arms: Sequence[ArmResult],
    comparisons: Sequence[Comparison],
    forgetting: Sequence[Forgetting] = (),
    *,
    smallest_worth: float = SMALLEST_WORTH,
    accepted_miss: float = ACCEPTED_MISS,
    needs_documents: bool = False,
    budget: MonthlyBudget | None = None,
    metric: str = "",
    general_use: bool = False,
    unfinished: str = "",
    strangers: float = 0.0,
    form_kept: Sequence[Comparison] = (),
) -> Verdict:
    """What to do with these measurements.

    Args:
        arms: All arms, measured on the same test examples.
        comparisons: From `compare_arms`, Holm-corrected: each trained arm against every untrained one at least.
        forgetting: The general benchmarks of the trained model.
        smallest_worth: The smallest gain worth having.
        accepted_miss: Where a gain above this is excluded with 80 % certainty, the untrained arm is recommended, though
            a smaller one is possible; 0: only where a gain worth having is excluded.
        needs_documents: Answers rest on facts that change or that training did not show: a trained arm without
            retrieval is then not offered, whatever it scored.
        budget: What may be spent a month beside what each arm costs; without a limit where none is given.
        metric: How a person calls the primary metric, for graded scores.
        general_use: The model is to be asked anything, not this task alone: lost conduct is then a veto too.
        unfinished: What is to be said of a training that ended before it had learned what it could (half a sentence):
            nothing is then concluded against fine-tuning.
        strangers: What the right answer to another request scores (metrics of likeness; 0 where that is no question).
        form_kept: The comparisons again with the answers counted right that fail by form alone (see `form_guard`).

    Raises:
        ValueError: No arms, or a comparison that the rules need is missing.
    """
    if not arms:
        raise ValueError("no arms to decide between")
    case = Case(
        {a.name: a for a in arms},
        rules.by_pair(comparisons),
        tuple(forgetting),
        smallest_worth,
        accepted_miss,
        needs_documents,
        budget or MonthlyBudget(),
        metric,
        general_use,
        unfinished,
        strangers,
        rules.by_pair(form_kept),
    )
    if all(is_useless(a) for a in arms) or case.hardly_told_apart:
        verdict = _none_works(case)
    elif not case.untrained:
        verdict = _trained_only(case)
    elif not case.offered:
        verdict = _untrained_only(case)
    else:
        verdict = _weigh(case)
    verdict = _knowing_more(case, verdict)
    verdict = case.budget.kept_by(verdict, recommended_arm(verdict.recommendation))
    return replace(verdict, reasons=(*verdict.reasons, *case.further_reasons()), comparisons=tuple(comparisons))


def _knowing_more(case: Case, verdict: Verdict) -> Verdict:
    """The verdict, unless the arm that it recommends is not shown to know more than one answer to everything."""
    arm = case.arms.get(recommended_arm(verdict.recommendation))
    same = next((a for a in case.whole if is_trivial(a.name)), None)
    if arm is None or same is None or (arm is not same and rules.clear(case.between(arm, same))):
        return verdict
    if arm is same:
        sentence = (
            f"None works: no other way is shown to be better than {plain_name(same.name)}, which"
            f" {achieved(same, case.metric)}. Give more examples of the rarer answers, or try a larger base model."
        )
        return Verdict("cannot_tell", sentence, verdict.reasons, why=_ONE_ANSWER)
    c = case.between(arm, same)
    count = rules.examples_to_settle(c, case.smallest_worth)
    sentence = (
        f"Cannot tell: {plain_name(arm.name)} {achieved(arm, case.metric)}, and {plain_name(same.name)}"
        f" {achieved_too(same)}; that it knows more than this is not shown ({points(c.difference)} points,"
        f" {interval(c.low, c.high)}). About {about(count)} test examples would settle it, there are {c.n}."
    )
    reasons = (*verdict.reasons, comparison_reason(c))
    return Verdict("cannot_tell", sentence, reasons, examples_needed=count, why=_ONE_ANSWER)


def _weigh(case: Case) -> Verdict:
    """Trained against untrained."""
    winners = [a for a in case.offered if all(case.beats(a, u) for u in case.untrained)]
    if winners and (hidden := case.hidden_rivals(winners[0])):
        return _fails_by_form(case, winners[0], hidden)
    allowed = [a for a in winners if not case.vetoes(a)]
    if allowed:
        return _fine_tune(case, rules.choose(allowed, case.table, case.smallest_worth))
    if winners:
        return _vetoed(case, winners[0])
    if case.no_gain_over(case.best_untrained):
        return (_unfinished if case.unfinished else _keep_untrained)(case, case.offered[0])
    if case.hardly_gains_over(case.best_untrained) and not case.unfinished:
        return _stay(case, case.offered[0])
    return _cannot_tell(case, case.offered[0])


def _fails_by_form(case: Case, arm: ArmResult, rivals: Sequence[ArmResult]) -> Verdict:
    """A trained arm won over scores that tell how its rivals write."""
    rival = max(rivals, key=lambda u: sum(if_form_kept(u).scores))
    kept = if_form_kept(rival)
    known, n = sum(kept.scores), len(kept.scores)
    most = f"{round(known)} of {n} right" if right_or_wrong(kept) else f"{points(known / n)} of 100 points"
    sentence = (
        f"Cannot tell: {plain_name(arm.name)} {achieved(arm, case.metric)} and {plain_name(rival.name)}"
        f" {achieved_too(rival)}, but {plain_name(rival.name)} fails by form: {rival.fails_by_form}. With those counted"
        f" right it would get {most}. Ask it in a form that it can keep (an instruction that names"
        " the form, a response format), or judge by a metric that sees what it knows."
    )
    reasons = tuple(f"{opening_name(u.name)} fails by form: {u.fails_by_form}." for u in rivals)
    reasons = (comparison_reason(case.between(arm, rival)), *reasons)
    return Verdict("cannot_tell", sentence, reasons, why=FORM)


def _fine_tune(case: Case, arm: ArmResult) -> Verdict:
    rival = case.best_untrained
    c = case.between(arm, rival)
    with_retrieval = " and keep retrieval" if retrieves(arm.name) else ""
    sentence = (
        f"Fine-tune{with_retrieval}: {plain_name(arm.name)} {achieved(arm, case.metric)} where the best alternative, "
        f"{plain_name(rival.name)}, {achieved_too(rival)}; the gain is {points(c.difference)} points "
        f"({interval(c.low, c.high)}), and {forgetting_clause(case.forgetting)}."
    )
    return Verdict(
        recommendation(arm.name), sentence, comparison_reasons([case.between(arm, u) for u in case.untrained])
    )


def _vetoed(case: Case, arm: ArmResult) -> Verdict:
    """A trained arm won, and may not be taken."""
    c = case.between(arm, case.best_untrained)
    why = " and ".join(case.vetoes(arm))
    reasons = (comparison_reason(c), f"Not recommended all the same: {why}.")
    choice, tie = _untrained_choice(case)
    opening = f"Do not take {plain_name(arm.name)}, though it gains {points(c.difference)} points: {why}"
    if is_useless(choice) or case.budget.too_dear(choice.name):
        fits = "works" if is_useless(choice) else "fits the budget"
        return Verdict("cannot_tell", f"{opening}; and no other arm {fits}.", reasons, why=_COSTS_ABILITY)
    sentence = f"{opening}. Use {plain_name(choice.name)} meanwhile, which {achieved(choice, case.metric)}."
    return Verdict(choice.name, sentence, (*reasons, *tie))


def _keep_untrained(case: Case, arm: ArmResult) -> Verdict:
    """No trained arm can be better by what is worth having."""
    choice, tie = _untrained_choice(case, [u for u in case.untrained if case.no_gain_over(u)])
    c = case.between(arm, choice)
    sentence = (
        f"Do not fine-tune: {plain_name(choice.name)} {achieved(choice, case.metric)} and {plain_name(arm.name)} "
        f"{achieved_too(arm)}; tuning changes the result by {points(c.difference)} points "
        f"({interval(c.low, c.high)}), where at least {points(case.smallest_worth)} would be worth having."
    )
    return Verdict(choice.name, sentence, (comparison_reason(case.between(arm, case.best_untrained)), *tie))


def _stay(case: Case, arm: ArmResult) -> Verdict:
    """A gain worth having is possible, and a large one is not likely."""
    choice, tie = _untrained_choice(case, [u for u in case.untrained if case.hardly_gains_over(u)])
    c = case.between(arm, choice)
    count = rules.examples_to_settle(c, case.smallest_worth)
    sentence = (
        f"Stay with {plain_name(choice.name)} for now: it {achieved(choice, case.metric)} and {plain_name(arm.name)} "
        f"{achieved_too(arm)}, a difference of {points(c.difference)} points ({interval(c.low, c.high)}); "
        f"{_risk(case, choice)}, and about {about(count)} test examples would show a gain of"
        f" {points(max(c.difference, case.smallest_worth))}."
    )
    reasons = (comparison_reason(case.between(arm, case.best_untrained)), *tie)
    return Verdict(choice.name, sentence, reasons, examples_needed=count)


def _unfinished(case: Case, arm: ArmResult) -> Verdict:
    """The trained arm loses as it is, and may win with more time."""
    choice, tie = _untrained_choice(case, [u for u in case.untrained if case.no_gain_over(u)])
    sentence = (
        f"Cannot tell: {plain_name(choice.name)} {achieved(choice, case.metric)} and {plain_name(arm.name)}"
        f" {achieved_too(arm)}, but {case.unfinished}. Give the training more time (--max-minutes) before you decide"
        " against it."
    )
    reasons = (comparison_reason(case.between(arm, case.best_untrained)), *tie)
    return _undecided(case, sentence, reasons, choice, None, CUT_SHORT)


def _cannot_tell(case: Case, arm: ArmResult) -> Verdict:
    blocking = [case.between(arm, u) for u in case.untrained if not case.beats(arm, u)]
    reasons = tuple(comparison_reason(c) for c in blocking)
    c = min(blocking, key=lambda c: c.difference)
    rival = case.arms[c.against]
    count = rules.examples_to_settle(c, case.smallest_worth)
    if rules.believed(c):
        open_question = f"a gain below the {points(case.smallest_worth)} points worth having"
    elif c.low > 0:
        open_question = "chance, once all the comparisons made are allowed for"
    else:
        open_question = "no gain at all" if c.difference > 0 else "a gain worth having"
    verb = "does not exclude" if c.low <= 0 or rules.believed(c) else "could still be"
    sentence = (
        f"Cannot tell: {plain_name(arm.name)} {achieved(arm, case.metric)} and {plain_name(rival.name)} "
        f"{achieved_too(rival)}, but a difference of {points(c.difference)} points ({interval(c.low, c.high)}) {verb} "
        f"{open_question}; about {about(count)} test examples would settle it, there are {c.n}."
    )
    choice, tie = _untrained_choice(case)
    return _undecided(case, sentence, (*reasons, *tie), choice, count, too_few(c.n))


def _undecided(
    case: Case, sentence: str, reasons: tuple[str, ...], choice: ArmResult, count: int | None, why: str
) -> Verdict:
    """That nothing is told, with what to use as long as it is not, and what is risked by that."""
    if case.budget.too_dear(choice.name):
        sentence = f"{sentence} Nothing that was measured fits the budget meanwhile."
        return Verdict("cannot_tell", sentence, reasons, examples_needed=count, why=why)
    if not choice.score.value:
        sentence = f"{sentence} Nothing untrained is of use meanwhile: {_risk(case, choice)}."
        return Verdict("cannot_tell", sentence, reasons, examples_needed=count, why=why)
    sentence = f"{sentence} Use {plain_name(choice.name)} meanwhile: {_risk(case, choice)}."
    return Verdict("cannot_tell", sentence, reasons, examples_needed=count, meanwhile=choice.name, why=why)


def _risk(case: Case, choice: ArmResult) -> str:
    """Up to what gain over the untrained arm is not excluded."""
    c = max((case.between(a, choice) for a in case.offered), key=lambda c: c.high)
    return gain_excluded(plain_name(c.arm), c.high, rules.likely_below(c))


def _untrained_only(case: Case) -> Verdict:
    choice, tie = _untrained_choice(case)
    why = "no trained arm with retrieval was measured" if case.needs_documents else "nothing has been trained"
    if not any(a.score.value for a in case.arms.values()):
        sentence = f"Cannot tell: no arm gets anything right on {choice.score.n} test examples, and {why}."
        return Verdict("cannot_tell", sentence, why="nothing gets anything right")
    sentence = f"Use {plain_name(choice.name)}, which {achieved(choice, case.metric)}; {why}."
    return Verdict(choice.name, sentence, tie)


def _trained_only(case: Case) -> Verdict:
    best = min(case.arms.values(), key=rules.best_first)
    sentence = (
        "Cannot tell: only trained arms were measured, so there is nothing to compare them with. Use"
        f" {plain_name(best.name)} meanwhile, which {achieved(best, case.metric)}: whether that gains anything over the"
        " untouched base model is unknown."
    )
    return Verdict("cannot_tell", sentence, meanwhile=best.name, why="nothing untrained was measured beside it")


def _none_works(case: Case) -> Verdict:
    best = max(case.arms.values(), key=lambda a: a.score.value)
    stranger, reason = "", USELESS_REASON
    if case.hardly_told_apart:
        stranger = f", and the right answer to another request scores {points(case.strangers)}"
        reason = "Texts of one kind are alike in words and letters whatever they say: no arm gets far beyond that."
    mend = "Give the training more time (--max-minutes), or try" if case.unfinished else "Try"
    sentence = (
        f"None works: even the best arm, {plain_name(best.name)}, {achieved(best, case.metric)}{stranger}. {mend} a"
        " larger base model or more examples, and look at the sample answers: the task may be unclear."
    )
    return Verdict("cannot_tell", sentence, (reason,), why=NOTHING_WORKS)


def _untrained_choice(case: Case, among: Sequence[ArmResult] | None = None) -> tuple[ArmResult, tuple[str, ...]]:
    """Which untrained arm to take, and the sentence on why it is not the best one.

    Args:
        case: The measurements.
        among: The untrained arms that may be taken; None for all.
    """
    arms = [u for u in (case.untrained if among is None else among) if not is_useless(u)] or case.untrained
    best = min(arms, key=rules.best_first)
    choice = rules.choose(_facing_documents(case, best, arms), case.table, case.smallest_worth)
    if choice is best:
        return best, ()
    c = case.between(best, choice)
    seen = f"({points(c.difference)} points, {interval(c.low, c.high)})"
    if rules.excluded(c, case.smallest_worth):
        opening = f"{opening_name(best.name)} is not better by {points(case.smallest_worth)} points than"
    else:
        opening = f"{opening_name(best.name)} is not clearly better than"
    why = cheaper_clause(choice, best) if rules.is_cheaper(choice, best) else "which looks up what the answers rest on"
    return choice, (f"{opening} {plain_name(choice.name)} {seen}, {why}.",)


def _facing_documents(case: Case, best: ArmResult, arms: Sequence[ArmResult]) -> Sequence[ArmResult]:
    """Where answers rest on documents, the arms that look them up, if the best one is one of them or does not clearly
    beat them."""
    if not case.needs_documents:
        return arms
    looking = [a for a in arms if retrieves(a.name)]
    return [a for a in looking if a is best or not rules.clear(case.between(best, a))] or arms
