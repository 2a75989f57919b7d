"""The page of `postgrad compare`, made from a `CompareReport` and from nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from postgrad.json_types import JsonObject, well_formed
from postgrad.pages import formatting, pictures
from postgrad.pages.report_page import PUBLIC, environment
from postgrad.report.arm_parts import ArmPart
from postgrad.report.comparison import CompareReport, ExamplePart
from postgrad.storage import write_atomic

BADGES = {
    "better": ("Better", "train"),
    "worse": ("Worse", "bad"),
    "alike": ("As good", "other"),
    "no_worse": ("No worse", "other"),
    "cannot_tell": ("Cannot tell", "unsure"),
}
LONG_VALUE = 160


def write_compare(report: CompareReport, folder: Path) -> tuple[Path, Path]:
    """Writes `compare.json` and `compare.html` into `folder`, each whole or not at all; returns their paths, JSON
    first."""
    page = render_compare(report)
    return (
        write_atomic(folder / "compare.json", report.model_dump_json(indent=2) + "\n", PUBLIC),
        write_atomic(folder / "compare.html", page, PUBLIC),
    )


def render_compare(report: CompareReport) -> str:
    """The page; the same report gives the same text."""
    badge, tone = BADGES[report.verdict]
    arms = [
        ArmPart(name=side.name, model=side.model, score=side.score, interval=side.interval, n=report.common.n)
        for side in (report.a, report.b)
    ]
    page = (
        environment()
        .get_template("compare.html.j2")
        .render(
            report=report,
            badge=badge,
            headline=headline(report),
            brief=brief(report),
            tone=tone,
            tiles=_tiles(report),
            wide=pictures.arms_picture(arms, report.b.name, True),
            narrow=pictures.arms_picture(arms, report.b.name, True, narrow=True),
            changes=[
                (c.kind, c.name if c.kind == "settings" else formatting.spaced(c.name), _value(c.a), _value(c.b))
                for c in report.changes
            ],
            worsened=[_shown(report, item) for item in report.worsened],
            improved=[_shown(report, item) for item in report.improved],
        )
    )
    return well_formed(page)


def headline(report: CompareReport) -> str:
    """Both scores, in at most 18 words."""
    a, b = report.a, report.b
    scores = f"{formatting.score(b.score)} against {formatting.score(a.score)}"
    said = {
        "better": f"{b.name} is better than {a.name}",
        "worse": f"{b.name} is worse than {a.name}",
        "alike": f"{b.name} is as good as {a.name}",
        "no_worse": f"{b.name} is no worse than {a.name}",
        "cannot_tell": f"Whether {b.name} is better than {a.name} cannot be told",
    }
    return f"{said[report.verdict]}: {scores} on {report.common.n:,} common examples."


def brief(report: CompareReport) -> list[tuple[str, str, str]]:
    """What to take, what speaks against it, and what to do next: (label, sentence, command)."""
    a, b = report.a, report.b
    keep = f"Keep {a.name}."
    take = {"better": f"Take {b.name}.", "worse": keep, "cannot_tell": keep}
    rows = [("Take", take.get(report.verdict, f"Either; {b.name} where it is cheaper or faster."), "")]
    if report.common.worse:
        rows.append(
            ("But", f"{report.common.worse:,} examples are answered worse than by {a.name}; see them below.", "")
        )
    if report.verdict == "cannot_tell" and report.examples_needed:
        rows.append(("Do next", f"Compare on more examples: about {report.examples_needed:,} would settle it.", ""))
    elif report.passed and "@" in b.model:
        rows.append(("Do next", "Let it answer under the bare name.", f"postgrad models promote {b.model}"))
    return rows


def _tiles(report: CompareReport) -> list[tuple[str, str, str]]:
    a, b, common = report.a, report.b, report.common
    tiles = [
        (
            "difference",
            f"{formatting.gain(report.difference)} points",
            f"{formatting.gain_span(report.interval)}, p {formatting.p_value(report.p_value)}",
        ),
        (
            "common examples",
            formatting.number(common.n),
            f"{common.better} better, {common.worse} worse, {common.same} the same",
        ),
        (
            "gate",
            "passed" if report.passed else "not passed",
            f"a loss of up to {formatting.gain(report.margin).lstrip('+')} points is allowed",
        ),
    ]
    if a.cost_per_1000 is not None and b.cost_per_1000 is not None:
        tiles.append(
            ("1,000 answers", formatting.money(b.cost_per_1000), f"{a.name}: {formatting.money(a.cost_per_1000)}")
        )
    if a.latency_ms_p50 and b.latency_ms_p50:
        before = formatting.duration(a.latency_ms_p50 / 1000)
        tiles.append(("one answer", formatting.duration(b.latency_ms_p50 / 1000), f"{a.name}: {before}"))
    return tiles


def _shown(report: CompareReport, item: ExamplePart) -> JsonObject:
    """An example in the form that the answers of a run's report have."""
    return {
        "prompt": item.prompt,
        "reference": item.reference,
        "answers": {report.a.name: item.a_answer, report.b.name: item.b_answer},
        "scores": {report.a.name: item.a_score, report.b.name: item.b_score},
        "where": f"{item.file}:{item.line}" if item.file else "",
    }


def _value(value: Any) -> str:
    """A setting's value in a cell."""
    if value is None:
        return formatting.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list) and not value:
        return "none"
    if isinstance(value, dict):
        return formatting.shorten(
            ", ".join(f"{formatting.spaced(str(k))} {_value(v)}" for k, v in value.items()), LONG_VALUE
        )
    if isinstance(value, list):
        return formatting.shorten(", ".join(_value(v) for v in value), LONG_VALUE)
    text = str(value)
    if text.startswith("sha256:"):
        return text[:19] + "…"
    return formatting.shorten(text, LONG_VALUE)
