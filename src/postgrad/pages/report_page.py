"""The report's page: one HTML file that a person would forward, made from `Report` and from nothing else.

First screen: the verdict, the arms, the money, the time. Then the evidence. Everything is inside the one file: style,
pictures, text; it asks the network for nothing, and its content security policy says so to the browser.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from postgrad.arm_kinds import is_trained, label, meaning, recommended_arm
from postgrad.findings import LEVELS
from postgrad.json_types import well_formed
from postgrad.measures import KINDS
from postgrad.pages import formatting, pictures
from postgrad.pages.answer_fields import differing
from postgrad.pages.arm_details import class_table, retrieval_lines, tallies
from postgrad.report.arm_parts import ArmPart, ComparisonPart
from postgrad.report.made_from import answers_trained, called, meant
from postgrad.report.run_report import FindingPart, Report
from postgrad.storage import write_atomic

if TYPE_CHECKING:
    from jinja2 import Environment

SEVERITIES = ("error", "warning", "info")
PUBLIC = 0o644  # a report is there to be passed on
RIGHT = 0.999  # from this score on an answer is right
LONG_TEXT = 420
LONG_LINES = 9
SAMPLES_SHOWN = 6
ALONE = 0.1
"""Share of requests that must be answered without a person for a green light."""
FILTERS = {
    "plain": formatting.plain,
    "money": formatting.money,
    "days": formatting.days,
    "duration": formatting.duration,
    "size": formatting.size,
    "number": formatting.number,
    "moment": formatting.moment,
    "spaced": formatting.spaced,
    "p_value": formatting.p_value,
    "confidence": formatting.confidence,
    "meaning": meaning,
    "facts": formatting.facts,
    "shorten": formatting.shorten,
    "file_name": formatting.file_name,
}


@dataclass(frozen=True)
class KeyFigure:
    """One tile of the first screen."""

    label: str
    value: str
    note: str = ""


def write_report(report: Report, folder: Path) -> tuple[Path, Path]:
    """Write `report.json` and `report.html` into `folder`, each whole or not at all.

    Returns:
        The paths of the two files, JSON first.

    Raises:
        OSError: The folder cannot be made or written.
    """
    page = render_report(report)
    folder.mkdir(parents=True, exist_ok=True)
    return (
        write_atomic(folder / "report.json", report.model_dump_json(indent=2) + "\n", PUBLIC),
        write_atomic(folder / "report.html", page, PUBLIC),
    )


def render_report(report: Report) -> str:
    """Make the page; the same report gives the same text, byte for byte."""
    share = scores_are_shares(report)
    arms = ranked(report)
    best = arms[0].name if arms else ""
    training, rate = report.training, report.automation
    named = (partial(called, report), partial(meant, report))
    losses = (training.train_loss, training.validation_loss, training.best_step) if training else ([], [], None)
    page = (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            kinds=KINDS,
            arms=arms,
            best=best,
            chosen=chosen_arm(report),
            called=named[0],
            meant=named[1],
            in_order=partial(in_order, arms),
            share=share,
            tone=tone(report),
            badge=formatting.recommendation_words(report.verdict.recommendation, named[0]),
            key_figures=key_figures(report),
            arms_wide=pictures.arms_picture(arms, best, share, named),
            arms_narrow=pictures.arms_picture(arms, best, share, named, narrow=True),
            losses=pictures.loss_picture(*losses),
            frontier=pictures.frontier_picture(training),
            lengths=pictures.lengths_picture(report.data.token_histogram),
            automation=pictures.automation_picture(rate.curve, rate.target_accuracy, rate.coverage) if rate else "",
            retrieval=retrieval_lines(arms),
            classes=class_table(arms, chosen_arm(report)),
            tallies=tallies(chosen_arm(report)),
            learning=pictures.learning_picture(report.learning_curve, share),
            findings=sorted(report.data.findings, key=_gravity),
            samples_shown=SAMPLES_SHOWN,
        )
    )
    # A lone surrogate (half an emoji in user text) would make the file unwritable.
    return well_formed(page)


def scores_are_shares(report: Report) -> bool:
    """Say whether every score lies between 0 and 1, so that the page may write per cent."""
    values = [value for arm in report.arms for value in (arm.score, *arm.interval)]
    return all(0 <= value <= 1 for value in values if math.isfinite(value))


def ranked(report: Report) -> list[ArmPart]:
    """Sort the arms, best score first; those stopped early, and one without a score, come last."""
    return sorted(
        report.arms,
        key=lambda arm: (arm.stopped_after is not None, -arm.score if math.isfinite(arm.score) else math.inf),
    )


def in_order(arms: Sequence[ArmPart], answers: Iterable[str]) -> list[str]:
    """The arms that answered, the best first."""
    places = {arm.name: place for place, arm in enumerate(arms)}
    return sorted(answers, key=lambda name: places.get(name, len(places)))


def tone(report: Report) -> str:
    """Give the badge's colour: train (amber where behaviour was lost or too little may go out alone), use another arm,
    or cannot tell."""
    recommendation = report.verdict.recommendation
    if recommendation == "cannot_tell":
        return "unsure"
    if not is_trained(recommendation):
        return "other"
    lost = report.forgetting is not None and any(b.verdict == "lost" for b in report.forgetting.benchmarks)
    rate = report.automation
    alone = rate is not None and (rate.coverage >= ALONE or any(f.coverage >= ALONE for f in rate.fields))
    return "unsure" if lost or not alone else "train"


def chosen_arm(report: Report) -> ArmPart | None:
    """Find the arm that the first screen speaks of: the recommended one, else the best measured."""
    wanted = report.verdict.recommendation
    arms = ranked(report)
    for arm in arms:
        if arm.name in (wanted, recommended_arm(wanted)):
            return arm
    alike = [arm for arm in arms if is_trained(wanted) and answers_trained(arm)]
    return (alike or arms or [None])[0]


def key_figures(report: Report) -> list[KeyFigure]:
    """Choose the numbers of the first screen; what was not measured has no tile."""
    share, cost, training = scores_are_shares(report), report.cost, report.training
    tiles: list[KeyFigure] = []
    if chosen := chosen_arm(report):
        note = f"{called(report, chosen.name)}; {formatting.span(chosen.interval, share)}"
        tiles.append(KeyFigure(formatting.spaced(report.task.metric), formatting.score(chosen.score, share), note))
        if lead := closest_comparison(report, chosen):
            unit = " points" if share else ""
            note = f"over {called(report, lead.against)}; {formatting.gain_span(lead.interval, share)}"
            tiles.append(KeyFigure("gain", formatting.gain(lead.difference, share) + unit, note))
        price = price_of(report, chosen)
        if price is not None:
            tiles.append(KeyFigure("1,000 answers", formatting.money(price), _cheaper_note(report, chosen)))
        if chosen.latency_ms_p50:
            tiles.append(KeyFigure("one answer", formatting.duration(chosen.latency_ms_p50 / 1000), "median"))
    if training:
        own = formatting.number(training.examples - training.replayed)
        note = f"{formatting.money(cost.training)}; {training.method}, {own} examples"
        tiles.append(KeyFigure("training", formatting.duration(training.seconds), note))
    if cost.break_even_days is not None:
        queries = cost.monthly_queries
        note = f"at {formatting.number(queries)} queries a month" if queries else ""
        tiles.append(KeyFigure("pays for itself in", formatting.days(cost.break_even_days), note))
    elif report.seconds:
        spent = report.seconds.get("this command", sum(report.seconds.values()))
        if training and training.seconds > spent:
            tiles.append(KeyFigure("this command", formatting.duration(spent), "the rest was reused from earlier runs"))
        else:
            tiles.append(KeyFigure("whole run", formatting.duration(spent)))
    return tiles


def closest_comparison(report: Report, arm: ArmPart) -> ComparisonPart | None:
    """Find the comparison of `arm` against the strongest other arm it was compared with."""
    scores = {other.name: other.score for other in report.arms}
    mine = [comparison for comparison in report.comparisons if comparison.arm == arm.name]
    return max(mine, key=lambda comparison: scores.get(comparison.against, float("-inf")), default=None)


def price_of(report: Report, arm: ArmPart) -> float | None:
    """Give the price of a thousand answers, from the arm or from the table of costs; None when unknown."""
    return arm.cost_per_1000 if arm.cost_per_1000 is not None else report.cost.per_1000.get(arm.name)


def whisker(interval: tuple[float, float], middle: float, rows: list[tuple[float, float]]) -> dict[str, float]:
    """Place one difference and the zero on a bar that has room for all of `rows`, in per cent of its width."""
    ends = [0.0, *(end for row in rows for end in row if math.isfinite(end))]
    least, reach = min(ends), (max(ends) - min(ends)) or 1.0

    def at(value: float) -> float:
        placed = 4 + 92 * (value - least) / reach
        return round(min(100.0, max(0.0, placed)), 2) if math.isfinite(placed) else 0.0

    low, high = at(interval[0]), at(interval[1])
    return {"left": low, "width": round(max(high - low, 0.8), 2), "dot": at(middle), "zero": at(0.0)}


def is_long(text: str) -> bool:
    """Say whether a text is folded on the page."""
    return len(text) > LONG_TEXT or text.count("\n") > LONG_LINES


def mark(score: float) -> tuple[str, str]:
    """Give the tone and the sign of one answer's score: right, wrong, or how far between."""
    if score >= RIGHT:
        return "right", "✓ right"
    return ("wrong", "✗ wrong") if score <= 0.001 else ("partly", f"{score:.2f}")


def _cheaper_note(report: Report, chosen: ArmPart) -> str:
    lead = closest_comparison(report, chosen)
    other = next((arm for arm in report.arms if lead and arm.name == lead.against), None)
    price = price_of(report, other) if other else None
    return f"{called(report, other.name)}: {formatting.money(price)}" if other and price is not None else ""


def _gravity(finding: FindingPart) -> tuple[int, int]:
    return SEVERITIES.index(finding.severity), -finding.count


@cache
def environment() -> Environment:
    """The templates of all pages."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    def source(name: str) -> str:
        return files("postgrad.pages").joinpath(name).read_text(encoding="utf-8")

    environment = Environment(
        autoescape=True, loader=FunctionLoader(source), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(FILTERS)
    environment.tests.update(trained=answers_trained, trained_arm=is_trained)
    environment.globals.update(money_rows=formatting.money_rows)
    environment.globals.update(differing=differing, called=label, in_order=list, levels=LEVELS, all_in="")
    environment.globals.update(wording=formatting, whisker=whisker, is_long=is_long, mark=mark, price_of=price_of)
    return environment
