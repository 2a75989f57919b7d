"""The money of `postgrad estimate --money`: when a tuned model would be earned back, from prices alone, before anything
is measured or trained."""

from __future__ import annotations

import math
import re
from dataclasses import asdict

from postgrad.decision.money import Forecast, forecast
from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.recipe import DecisionSection

EXAMPLE = (
    "postgrad estimate --money --monthly-queries 10000 --price-now 0.03 --one-off 2000-5000 --monthly-costs 50-100"
)
_WHAT = "a number, or two as LOW-HIGH"
_SUM = re.compile(r"\$?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?")


def span(option: str, text: str) -> tuple[float, ...]:
    """`2000` or `$2,000-5,000` as one or two sums of USD.

    Raises:
        UsageError: it is neither, or the first is the larger one.
    """
    parts = [part.strip() for part in text.split("-")]
    if len(parts) > 2 or not all(map(_SUM.fullmatch, parts)):
        raise UsageError(f"{option} {text!r} is not {_WHAT}, in USD.", f"For example: {option} 50-100")
    found = tuple(float(part.strip("$").replace(",", "")) for part in parts)
    if found[0] > found[-1]:
        raise UsageError(f"{option} {text!r} begins with the larger one.", f"Write {option} {parts[1]}-{parts[0]}")
    return found


def money_figures(
    settings: DecisionSection,
    price_now: float | None,
    price_tuned: float,
    one_off: str | None,
    monthly_costs: str | None,
    training: float | None = None,
) -> JsonObject:
    """When the tuned model is earned back; options given win over the recipe's settings.

    Args:
        settings: The recipe's figures: traffic, work on the data, one-off and monthly costs, trainings planned.
        price_now: What an answer costs now, in USD.
        price_tuned: What an answer of the tuned model costs beside its monthly costs.
        one_off: What is spent once beside the work on the data and the training: a sum or LOW-HIGH.
        monthly_costs: What the tuned model costs a month: a sum or LOW-HIGH.
        training: What one training is estimated to cost; None where no data was given.

    Raises:
        UsageError: something is missing or no sum of money.
    """
    _refuse(settings, price_now, price_tuned, one_off, training)
    queries, now = settings.monthly_queries or 0, price_now or 0.0
    work = settings.data_hours * settings.hourly_rate
    trainings = (training or 0.0) * settings.iterations
    once = span("--one-off", one_off) if one_off else (settings.one_off,)
    standing = (settings.hosting_monthly or 0.0) + settings.maintenance_monthly + settings.monitoring_monthly
    monthly = span("--monthly-costs", monthly_costs) if monthly_costs else (standing,)
    rows = forecast(queries, now, price_tuned, [sum_ + work + trainings for sum_ in once], monthly)
    return {
        "monthly_queries": queries,
        "price_now": now,
        "price_tuned": price_tuned,
        "cost_now_monthly": queries * now,
        "forecasts": [asdict(row) for row in rows],
        "months": _ends(rows),
        "assumptions": _assumptions(settings, price_tuned, max(monthly), training),
    }


def money_lines(figures: JsonObject) -> list[str]:
    """The same as text: a table, and one sentence."""
    out = [
        f"{figures['monthly_queries']:,} queries a month at {figures['price_now']:g} USD each cost"
        f" {figures['cost_now_monthly']:,.2f} USD a month now.",
        f"{'once, USD':>12}{'a month, USD':>14}{'saved a month, USD':>20}   earned back after",
    ]
    for row in figures["forecasts"]:
        after = "never" if row["months"] is None else f"{row['months']:,.1f} months"
        out.append(f"{row['one_off']:>12,.2f}{row['monthly_costs']:>14,.2f}{row['monthly_saving']:>20,.2f}   {after}")
    low, high = figures["months"]
    if low is None:
        out.append("It is never earned back: it costs as much a month as it saves, or more.")
    elif high is None:
        out.append(
            f"Earned back after {_months(low)} months at best; never where it costs as much a month as it saves."
        )
    else:
        ends = dict.fromkeys((_months(low), _months(high)))
        out.append(f"Earned back after {' to '.join(ends)} months.")
    return [*out, *figures["assumptions"]]


def _refuse(
    settings: DecisionSection, now: float | None, tuned: float, one_off: str | None, training: float | None
) -> None:
    """Refuses what is missing, all of it named at once, and prices that are none."""
    missing = [
        "the traffic (--monthly-queries)" if not settings.monthly_queries else "",
        "what an answer costs now (--price-now)" if now is None else "",
        "what is spent once (--one-off)" if not (one_off or settings.one_off or training) else "",
    ]
    if any(missing):
        raise UsageError(f"--money requires {', '.join(filter(None, missing))}.", f"For example: {EXAMPLE}")
    for option, value in (("--price-now", now or 0.0), ("--price-tuned", tuned)):
        if not math.isfinite(value) or value < 0:
            raise UsageError(f"{option} {value:g} is no price: USD for one answer, 0 or more.")


def _ends(rows: list[Forecast]) -> list[float | None]:
    """The soonest and the latest; None: never."""
    known = [row.months for row in rows if row.months is not None]
    return [min(known, default=None), None if len(known) < len(rows) else max(known)]


def _assumptions(settings: DecisionSection, tuned: float, monthly: float, training: float | None) -> list[str]:
    out = ["The tuned model is taken to answer as well as what answers now: `postgrad run` measures that."]
    if not monthly and not tuned:
        out.append("! The tuned model's answers are taken to cost nothing (--monthly-costs, --price-tuned).")
    if work := settings.data_hours * settings.hourly_rate:
        out.append(f"Once includes {work:,.2f} USD of work on the data (decision.data_hours, decision.hourly_rate).")
    if training is not None:
        out.append(
            f"Once includes {training * settings.iterations:,.2f} USD for {settings.iterations} training(s)"
            " (decision.iterations)."
        )
    return out


def _months(count: float) -> str:
    return f"{count:,.1f}".removesuffix(".0")
