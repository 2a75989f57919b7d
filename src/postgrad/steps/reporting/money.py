"""The money of a report: what every arm costs, what the recommended one costs once and each month, when that is earned
back, and every assumption with the setting that changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from postgrad.arm_kinds import is_remote, plain_name
from postgrad.costs import MachinePrice, cost_of
from postgrad.decision.budget import MonthlyBudget
from postgrad.decision.money import (
    BreakEven,
    Costs,
    Labour,
    against_hand,
    break_even,
    priced_arm,
    sensitivity,
    unfit_because,
)
from postgrad.decision.server import busy_hours, is_hosted, rented_sensitivity, rented_sentence
from postgrad.measures import ArmResult, Verdict
from postgrad.prices import hosted_training
from postgrad.recipe import DecisionSection
from postgrad.report.money_parts import ArmCostPart, BreakEvenPart, CostPart
from postgrad.report.run_report import AutomationPart


def costs_of(settings: DecisionSection, results: Sequence[ArmResult], training: float = 0.0) -> Costs:
    """What every arm costs with the settings; where hosting is paid by the month, answers of hosted models cost nothing
    more.

    Args:
        settings: The user's figures.
        results: All arms; those without a price are left out.
        training: What one training cost, in USD.
    """
    measured = {r.name: r.cost_per_1000 / 1000 for r in results if r.cost_per_1000 is not None}
    paid = settings.hosting_monthly is not None
    return Costs(
        training,
        settings.data_hours * settings.hourly_rate,
        {arm: 0.0 if paid and is_hosted(arm) else price for arm, price in measured.items()},
        settings.wrong_answer_cost,
        {r.name: 1 - r.score.value for r in results},
        settings.monthly_queries,
        frozenset(r.name for r in results if is_remote(r.name)),
        settings.iterations,
        sum(measured[r.name] * len(r.scores) for r in results if r.name in measured),
        settings.one_off,
        {r.name: sum(monthly_of(settings, r).values()) for r in results},
    )


def monthly_of(settings: DecisionSection, arm: ArmResult) -> dict[str, float]:
    """What an arm costs a month however much it answers, by what it is for."""
    return {
        "hosting": (settings.hosting_monthly or 0.0) if is_hosted(arm.name) else 0.0,
        "maintenance": settings.maintenance_monthly if arm.requires_training else 0.0,
        "monitoring": settings.monitoring_monthly,
    }


def budget_of(settings: DecisionSection, results: Sequence[ArmResult]) -> MonthlyBudget:
    """The limit beside what every arm costs a month."""
    costs = costs_of(settings, results)
    paid = {arm: costs.paid_monthly(arm) for arm in costs.per_answer}
    return MonthlyBudget({arm: usd for arm, usd in paid.items() if usd is not None}, settings.monthly_budget)


def arm_costs(costs: Costs, results: Sequence[ArmResult]) -> list[ArmCostPart]:
    """A row for every arm whose price is known."""
    unfit = unfit_because(results)
    return [
        ArmCostPart(
            arm=name,
            per_answer=costs.per_answer[name],
            per_right=costs.per_right(name),
            monthly=costs.paid_monthly(name),
            wrong_monthly=costs.wrong_monthly(name),
            unfit=unfit.get(name, ""),
        )
        for name in (r.name for r in results)
        if name in costs.per_answer
    ]


def per_1000(results: Sequence[ArmResult]) -> dict[str, float]:
    """USD for 1,000 answers as measured, where a price is known."""
    return {r.name: r.cost_per_1000 for r in results if r.cost_per_1000 is not None}


@dataclass(frozen=True, slots=True)
class _Told:
    """What is said of the arm that is priced.

    Attributes:
        costs: All that is spent; a training only where a trained arm is priced.
        priced: Whose money it is; None where no arm can be priced.
        found: Its break-even against the untrained arms that do the task, the best first.
        hours: Hours a month that each arm keeps this machine busy.
        rented: The same where such a machine would be rented; empty where hosting has a price of its own.
    """

    costs: Costs
    priced: ArmResult | None
    found: Sequence[BreakEven]
    hours: Mapping[str, float]
    rented: Mapping[str, float]


def cost_part(
    settings: DecisionSection,
    price: MachinePrice,
    results: Sequence[ArmResult],
    verdict: Verdict,
    training_seconds: float = 0.0,
    automated: AutomationPart | None = None,
    needs_documents: bool = False,
    purchases: Sequence[str] = (),
    trained_tokens: int = 0,
) -> CostPart:
    """The money of a run.

    Args:
        settings: The user's figures.
        price: Of this machine.
        results: All arms.
        verdict: What is recommended: that arm is the one priced.
        training_seconds: Of the training; 0 where nothing was trained.
        automated: What could be answered without human review.
        needs_documents: Trained arms without retrieval are not offered.
        purchases: What is to be said of answers that were bought.
        trained_tokens: Tokens that the training computed, prompts and repetitions counted.
    """
    training = cost_of(training_seconds, price)
    told = _told(settings, price, results, training, priced_arm(results, verdict.recommendation, needs_documents))
    labour, why = _labour(settings, told.priced, automated)
    by_hand = against_hand(told.costs, told.priced.name, labour) if told.priced and labour else []
    queries = settings.monthly_queries
    return CostPart(
        training=training,
        data_work=told.costs.data_work,
        per_1000=per_1000(results),
        monthly_queries=queries,
        break_even_days=told.found[0].days if told.found else None,
        break_even=[BreakEvenPart(**asdict(row)) for row in (*told.found, *by_hand)],
        sensitivity=_sensitivity(told, price),
        busy_hours={arm: round(h, 2) for arm, h in told.hours.items()},
        assumptions=[
            *_prices(settings, price),
            *_once(settings, told.costs),
            *_compared(settings, told, results, verdict),
            *why,
            *_serving(price, queries, results, told.rented),
            *purchases,
            *_as_a_service(trained_tokens, told.priced, training),
        ],
        priced=told.priced.name if told.priced else None,
        iterations=settings.iterations,
        once=_once_part(told.costs),
        monthly=_monthly_part(settings, told.costs, told.priced),
        by_arm=arm_costs(told.costs, results),
        labour_saved_monthly=labour.saved_monthly(queries) if labour and queries else None,
    )


def _told(
    settings: DecisionSection,
    price: MachinePrice,
    results: Sequence[ArmResult],
    training: float,
    priced: ArmResult | None,
) -> _Told:
    costs = costs_of(settings, results, training)
    if priced and priced.name not in costs.per_answer:
        priced = None
    if priced and not priced.requires_training:
        costs = replace(costs, training=0.0)
    rivals = _rivals(results, priced)
    found = break_even(costs, priced.name, rivals) if priced and priced.requires_training else []
    hours = busy_hours(per_1000(results), price.usd_per_hour, settings.monthly_queries)
    return _Told(costs, priced, found, hours, hours if settings.hosting_monthly is None else {})


def _rivals(results: Sequence[ArmResult], priced: ArmResult | None) -> list[str]:
    """The untrained arms that do the task, those measured to the end first, the best score first; none where the priced
    arm itself does not."""
    unfit = unfit_because(results)
    if priced is None or priced.name in unfit:
        return []
    fit = [r for r in results if not r.requires_training and r.name not in unfit]
    return [r.name for r in sorted(fit, key=lambda r: (r.stopped, -r.score.value))]


def _sensitivity(told: _Told, price: MachinePrice) -> list[tuple[str, float | None]]:
    if told.priced is None or not told.found:
        return []
    name, against = told.priced.name, told.found[0].against
    rows = [
        *sensitivity(told.costs, name, against),
        *rented_sensitivity(told.costs, told.rented, price.usd_per_hour, name, against),
    ]
    return [(s.assumption, s.days) for s in rows]


def _labour(
    settings: DecisionSection, priced: ArmResult | None, automated: AutomationPart | None
) -> tuple[Labour | None, list[str]]:
    """The work saved, as far as it is certified, and what is to be said of it."""
    if not settings.minutes_saved_per_answer:
        return None, []
    by_hand = settings.minutes_saved_per_answer / 60 * settings.labour_rate
    figures = (
        f"{settings.minutes_saved_per_answer:g} minutes at {settings.labour_rate:g} USD an hour, as given"
        " (decision.minutes_saved_per_answer, decision.labour_rate)"
    )
    if priced is None or automated is None or automated.threshold is None or automated.arm != priced.name:
        whose = f" for {plain_name(priced.name)}" if priced else ""
        return None, [f"No labour is counted as saved: no share of answers without human review was certified{whose}."]
    wrong = 1 - automated.accuracy if automated.accuracy is not None else 0.0
    told = (
        f"An answer that no person sees saves {figures}; that is {100 * automated.coverage:.0f} % of the answers of"
        f" {plain_name(priced.name)}, as certified. All other answers take people as long as before."
    )
    return Labour(by_hand, automated.coverage, wrong), [told]


def _once_part(costs: Costs) -> dict[str, float]:
    return {
        "data_work": costs.data_work,
        "training": costs.training * costs.iterations,
        "evaluation": costs.evaluation,
        "other": costs.other,
    }


def _monthly_part(settings: DecisionSection, costs: Costs, priced: ArmResult | None) -> dict[str, float]:
    if priced is None:
        return {}
    answers = costs.per_answer[priced.name] * costs.monthly_queries if costs.monthly_queries else None
    return ({"answers": answers} if answers is not None else {}) | monthly_of(settings, priced)


def _prices(settings: DecisionSection, price: MachinePrice) -> list[str]:
    """What answers and months cost, and by which settings."""
    if settings.hosting_monthly is None:
        hosting = (
            "Answers are priced by their measured share of machine time in batches; a server with idle hours costs more"
            " (decision.hosting_monthly)."
        )
    else:
        hosting = (
            f"Hosting a language model costs {settings.hosting_monthly:g} USD a month, as given"
            " (decision.hosting_monthly); its answers then cost nothing more."
        )
    out = [price.assumption, hosting]
    monthly = {
        "Maintaining and retraining a trained model": ("maintenance_monthly", settings.maintenance_monthly),
        "Monitoring": ("monitoring_monthly", settings.monitoring_monthly),
    }
    for what, (setting, usd) in monthly.items():
        out.append(
            f"{what} costs {usd:g} USD a month, as given (decision.{setting})."
            if usd
            else f"{what} is not counted (decision.{setting})."
        )
    return out


def _as_a_service(tokens: int, priced: ArmResult | None, here: float) -> list[str]:
    """What services ask for the same training, and for answers of the same length afterwards; nothing where no trained
    arm is priced."""
    if not tokens or priced is None or not priced.requires_training:
        return []
    rows = []
    for price in hosted_training():
        row = f"{price.usd * tokens / 1e6:.2g} USD at {price.origin}"
        if price.answers is not None:
            lengths = priced.prompt_tokens_mean, priced.completion_tokens_mean
            asked = sum(usd * mean for usd, mean in zip(price.answers, lengths, strict=True)) / 1000
            row += f", where 1,000 such answers then cost {asked:.2g} USD"
        rows.append(row)
    if not rows:
        return []
    return [
        f"{tokens:,} tokens were trained on, for {here:.2g} USD here. Services train models of their own on as many"
        f" for: {'; '.join(rows)}. Their models are larger, and were not measured on these examples."
    ]


def _once(settings: DecisionSection, costs: Costs) -> list[str]:
    """What is spent once, and by which settings."""
    if settings.data_hours and settings.hourly_rate:
        work = (
            f"{settings.data_hours:g} hours of work on the data at {settings.hourly_rate:g} USD, as given"
            " (decision.data_hours, decision.hourly_rate)."
        )
    else:
        work = "Work on the data is not counted (decision.data_hours, decision.hourly_rate)."
    out = [work, "Evaluation is the price of all arms' answers to the test examples."]
    if costs.training:
        out.append(f"Trainings until one is used: {settings.iterations}, each like this one (decision.iterations).")
    if settings.one_off:
        out.append(f"Other one-off costs are {settings.one_off:g} USD, as given (decision.one_off).")
    return out


def _compared(settings: DecisionSection, told: _Told, results: Sequence[ArmResult], verdict: Verdict) -> list[str]:
    """Which arm is priced, against which it is compared, and what wrong answers cost."""
    unfit, priced = unfit_because(results), told.priced
    if priced and priced.name in unfit:
        return [f"Nothing is earned back with {plain_name(priced.name)}, because it {unfit[priced.name]}."]
    out = []
    if priced and verdict.recommendation == "cannot_tell":
        out.append(f"Nothing is recommended; the money is that of {plain_name(priced.name)}, should it be used.")
    elif priced and not priced.requires_training:
        out.append(f"No training is recommended, so none has to be earned back: use {plain_name(priced.name)}.")
    if not told.found:
        return out
    left = [f"{r.name}, which {unfit[r.name]}" for r in results if not r.requires_training and r.name in unfit]
    if left:
        out.append(f"No break-even against {'; '.join(left)}.")
    if settings.wrong_answer_cost:
        out.append(
            f"A wrong answer costs {settings.wrong_answer_cost:g} USD, as given; the share of wrong answers is 1 minus"
            " the score."
        )
    else:
        out.append(
            "Break-even counts cheaper answers only, not the value of better answers (decision.wrong_answer_cost)."
        )
    return out


def _serving(
    price: MachinePrice, queries: int | None, results: Sequence[ArmResult], hours: Mapping[str, float]
) -> list[str]:
    """What a month of answers means for the machine, and the arms whose price nobody knows."""
    priced = per_1000(results)
    elsewhere = any(not is_hosted(arm) for arm in priced)
    out = [rented_sentence(hours, price.usd_per_hour, queries, elsewhere)] if hours and queries else []
    if not queries:
        out.append("Traffic is not given, so days and months are not computed (--monthly-queries).")
    unpriced = [r.name for r in results if r.name not in priced]
    if unpriced:
        out.append(f"No price is known for {', '.join(unpriced)}: left out of the costs.")
    return out
