"""The page of all answers, made from a report and its `results.jsonl`: filtered and sorted by style alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from postgrad.json_types import JsonObject, well_formed
from postgrad.pages.report_page import PUBLIC, RIGHT, environment, in_order, ranked
from postgrad.report.made_from import called
from postgrad.report.results import ResultLine, read_results
from postgrad.report.run_report import Report
from postgrad.storage import write_atomic

ANSWERS_FILE = "answers.html"
MOST = 1_000
"""Examples on the page at most: a browser must still scroll."""
_LETTERS = 6_000


@dataclass(frozen=True, slots=True)
class Card:
    """One example: what is shown, the marks by which it is filtered, and the places by which it is sorted."""

    item: JsonObject
    classes: str
    style: str


def write_answers(report: Report, folder: Path) -> Path:
    """Writes `answers.html` beside the `results.jsonl` of a folder, whole or not at all."""
    lines = read_results(folder)
    first = list(islice(lines, MOST))
    page = render_answers(report, first, len(first) + sum(1 for _ in lines))
    return write_atomic(folder / ANSWERS_FILE, page, PUBLIC)


def render_answers(report: Report, lines: Sequence[ResultLine], total: int) -> str:
    """The page; the same lines give the same text.

    Args:
        report: Of the run.
        lines: Those that are shown.
        total: How many there are.
    """
    arms = [arm.name for arm in ranked(report) if any(arm.name in line.arms for line in lines)]
    page = (
        environment()
        .get_template("answers.html.j2")
        .render(
            name=report.name,
            metric=report.task.metric,
            version=report.postgrad_version,
            arms=arms,
            called=partial(called, report),
            in_order=partial(in_order, ranked(report)),
            cards=_cards(arms, lines),
            shown=len(lines),
            total=total,
        )
    )
    return well_formed(page)


def _cards(arms: Sequence[str], lines: Sequence[ResultLine]) -> list[Card]:
    """A card for each example."""
    longest = {n: place for place, n in enumerate(sorted(range(len(lines)), key=lambda n: -len(lines[n].prompt_text)))}
    places = [_by_score(arm, lines) for arm in arms]
    cards = []
    for n, line in enumerate(lines):
        right = {name for name, answer in line.arms.items() if answer.score >= RIGHT}
        wrong = [k for k, arm in enumerate(arms) if arm in line.arms and arm not in right]
        classes = [*(f"w{k}" for k in wrong), *(f"a{k}" for k in wrong if right)]
        orders = [f"--file:{n}", f"--long:{longest[n]}", *(f"--s{k}:{places[k][n]}" for k in range(len(arms)))]
        item: JsonObject = {
            "prompt": _cut(line.prompt_text),
            "reference": _cut(line.reference),
            "answers": {name: _cut(answer.answer) for name, answer in line.arms.items()},
            "scores": {name: answer.score for name, answer in line.arms.items()},
            "where": f"{line.file}:{line.line}" if line.file else "",
        }
        cards.append(Card(item, " ".join(classes), ";".join(orders)))
    return cards


def _cut(text: str) -> str:
    return text if len(text) <= _LETTERS else text[: _LETTERS - 1] + "…"


def _by_score(arm: str, lines: Sequence[ResultLine]) -> dict[int, int]:
    """Place of each example, the worst answer of an arm first."""

    def score(n: int) -> float:
        answer = lines[n].arms.get(arm)
        return 2.0 if answer is None else answer.score

    return {n: place for place, n in enumerate(sorted(range(len(lines)), key=lambda n: (score(n), n)))}
