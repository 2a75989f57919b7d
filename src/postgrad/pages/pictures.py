"""The report's pictures: the arms with their intervals, the losses, the lengths of the records, the learning curve.

Each function takes numbers and gives an inline `<svg>`, or an empty string where there is nothing to draw. matplotlib
is imported when the first picture is drawn, so that importing the pages stays cheap.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from postgrad.arm_kinds import label, meaning
from postgrad.pages import formatting
from postgrad.pages.svg import INKS, blank, inline
from postgrad.report.advice import CurvePart
from postgrad.report.arm_parts import ArmPart
from postgrad.report.made_from import answers_trained
from postgrad.report.run_report import TrainingPart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT = 13.0
MOST_POINTS = 240
Points = Sequence[tuple[float, float]]
Naming = tuple[Callable[[str], str], Callable[[str], str]]
"""What an arm is called, and what that is in a few words."""


def arms_picture(
    arms: Sequence[ArmPart], best: str, share: bool, named: Naming = (label, meaning), narrow: bool = False
) -> str:
    """Draw every arm's score as a dot on its 95 % interval, the arms one below the other.

    Args:
        arms: In the order in which they are shown.
        best: The arm to highlight.
        share: Whether the scores are shares of one, written as per cent.
        named: What an arm is called, and what that is in a few words.
        narrow: For a phone: the names stand above the lines instead of beside them.
    """
    arms = [arm for arm in arms if all(map(math.isfinite, (arm.score, *arm.interval)))]
    if not arms:
        return ""
    width, row = (350.0, 54.0) if narrow else (640.0, 46.0)
    called, meant = named
    names = [formatting.shorten(formatting.plain(called(arm.name)), 38 if narrow else 34) for arm in arms]
    meanings = [meant(arm.name) for arm in arms]
    widest = max(8.2 * max(map(len, names)), 5.9 * max(map(len, meanings)))
    left = 14.0 if narrow else min(270.0, 30 + widest)
    height = row * len(arms) + 34
    axes = _axes(width, height, left=left, right=72, top=2, bottom=32)
    _score_axis(axes, arms, share)
    axes.set_ylim(len(arms) - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(axis="x", color=INKS["line"], linewidth=1)
    for place, (arm, name) in enumerate(zip(arms, names, strict=True)):
        _arm(axes, place, arm, name, arm.name == best, share, narrow)
        if not narrow and meanings[place]:
            style: dict[str, Any] = {"parse_math": False, "color": INKS["soft"], "va": "center", "ha": "right"}
            beside = axes.get_yaxis_transform()
            axes.text(
                -20 / axes.bbox.width, place + 0.23, meanings[place], transform=beside, fontsize=TEXT - 2, **style
            )
    said = "; ".join(f"{called(a.name)} {formatting.score(a.score, share)}" for a in arms)
    kind = "narrow" if narrow else "wide"
    return _drawn(axes, f"arms-{kind}", f"Score of each arm: {formatting.plain(said)}", f"only-{kind}")


def loss_picture(train: Points, validation: Points, best_step: int | None) -> str:
    """Draw the training and validation loss over the steps; the one whose weights were kept is marked."""
    train, validation = _thinned(_finite(train)), _finite(validation)
    if not train and not validation:
        return ""
    axes = _axes(460, 270, left=52, right=18, top=26, bottom=44)
    lone = "o" if len(train) == 1 else ""
    if train:
        axes.plot(*zip(*train, strict=True), color=INKS["soft"], linewidth=1.8, marker=lone, markersize=6)
    if validation:
        style: dict[str, Any] = {"marker": "o", "markersize": 6, "markeredgecolor": INKS["page"]}
        axes.plot(*zip(*validation, strict=True), color=INKS["trained"], linewidth=2.4, **style)
    marked = dict(validation).get(best_step) if best_step is not None else None
    if best_step is not None and marked is not None:
        axes.axvline(best_step, color=INKS["ink"], linewidth=1, dashes=(3, 3), zorder=1)
        axes.plot([best_step], [marked], "o", markersize=11, color="none", markeredgecolor=INKS["ink"], mew=1.6)
        place = {"x": best_step, "y": 1.03, "transform": axes.get_xaxis_transform()}
        axes.text(**place, s=f"kept: step {best_step}", ha=_side(axes, best_step), color=INKS["ink"], fontsize=TEXT)
    axes.grid(axis="y", color=INKS["line"], linewidth=1)
    _labels(axes, "step", "loss, nats per token")
    return _drawn(axes, "losses", f"Training and validation loss over the steps; kept step {best_step}")


def frontier_picture(training: TrainingPart | None) -> str:
    """Draw the validation loss over the distance from the base, a point for each checkpoint: on general prompts, and in
    a softer colour on the task itself; the checkpoint that was kept is ringed."""
    losses = dict(_finite(training.validation_loss)) if training else {}
    if training is None or not losses or "eval_kl_general" not in training.metrics:
        return ""
    axes = _axes(460, 270, left=52, right=24, top=18, bottom=44)
    for name, ink in (("eval_kl_task", "soft"), ("eval_kl_general", "trained")):
        points = [(distance, losses[step]) for step, distance in _finite(training.metrics[name]) if step in losses]
        if points:
            axes.plot(*zip(*points, strict=True), color=INKS[ink], linewidth=1.8, marker="o", markersize=6)
    said = []
    for step, distance in _finite(training.metrics["eval_kl_general"]):
        if step not in losses:
            continue
        said.append(f"step {step:g}: {distance:.3f}, loss {losses[step]:.3f}")
        axes.annotate(
            f"{step:g}",
            (distance, losses[step]),
            xytext=(6, 6),
            textcoords="offset points",
            color=INKS["ink"],
            fontsize=TEXT - 2,
        )
        if step == training.best_step:
            axes.plot(
                [distance], [losses[step]], "o", markersize=12, color="none", markeredgecolor=INKS["ink"], mew=1.6
            )
    axes.grid(axis="y", color=INKS["line"], linewidth=1)
    axes.locator_params(axis="both", nbins=5)
    _labels(axes, "distance from the base (KL), nats per token", "validation loss")
    kept = f"; kept is step {training.best_step}"
    return _drawn(axes, "frontier", f"Validation loss over the distance from the base: {'; '.join(said)}{kept}")


def lengths_picture(histogram: Sequence[tuple[int, int]]) -> str:
    """Draw how many records fall into each length; the bars are equally wide whatever the edges."""
    if not histogram or not any(count for _, count in histogram):
        return ""
    axes = _axes(460, 230, left=52, right=18, top=18, bottom=44)
    counts = [count for _, count in histogram]
    axes.bar([place + 0.5 for place in range(len(counts))], counts, width=0.88, color=INKS["accent"])
    every = math.ceil(len(counts) / 8)
    ticks = [place for place in range(len(counts)) if (len(counts) - 1 - place) % every == 0]
    axes.set_xticks([tick + 1 for tick in ticks], [f"{histogram[tick][0]:,}" for tick in ticks])
    axes.set_xlim(0, len(counts))
    axes.grid(axis="y", color=INKS["line"], linewidth=1)
    axes.locator_params(axis="y", integer=True)
    _labels(axes, "tokens in a record, at most", "records")
    said = ", ".join(f"{count} up to {edge}" for edge, count in histogram)
    return _drawn(axes, "lengths", f"Records by length in tokens: {said}")


def learning_picture(curve: CurvePart | None, share: bool) -> str:
    """Draw the score over the number of training examples, and the forecasts, each on its interval."""
    points = _finite(curve.points) if curve else []
    if not curve or not points:
        return ""
    axes = _axes(460, 250, left=60, right=24, top=18, bottom=44)
    axes.plot(*zip(*points, strict=True), color=INKS["trained"], linewidth=2.4, marker="o", markersize=7)
    forecasts = [f for f in (curve.forecast, *curve.further) if f and all(map(math.isfinite, (f.score, *f.interval)))]
    ahead = [(float(f.examples), f.score) for f in forecasts]
    axes.plot(*zip(points[-1], *ahead, strict=True), color=INKS["trained"], linewidth=1.8, dashes=(4, 3))
    for (x, y), forecast in zip(ahead, forecasts, strict=True):
        axes.plot([x, x], list(forecast.interval), color=INKS["trained"], linewidth=2.4, solid_capstyle="round")
        axes.plot([x], [y], "o", markersize=8, color=INKS["page"], markeredgecolor=INKS["trained"], mew=2)
    axes.grid(axis="y", color=INKS["line"], linewidth=1)
    axes.locator_params(axis="both", nbins=5)
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %" if share else f"{value:g}")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _labels(axes, "training examples", "")
    return _drawn(axes, "learning", "Score over the number of training examples, with the forecast dashed")


def automation_picture(curve: Sequence[tuple[float, float]], target: float, coverage: float) -> str:
    """Draw the accuracy of what goes out unseen over the share that does, the wanted accuracy, and the share
    certified."""
    points = _finite(curve)
    if not points:
        return ""
    axes = _axes(460, 250, left=60, right=24, top=18, bottom=44)
    axes.plot(*zip(*points, strict=True), color=INKS["trained"], linewidth=2.4)
    axes.axhline(target, color=INKS["soft"], linewidth=1.4, dashes=(4, 3))
    if coverage > 0:
        axes.axvspan(0, coverage, color=INKS["wash"], zorder=0)
    axes.set_xlim(0, 1)
    axes.set_ylim(min(0.5, *(y for _, y in points), target) - 0.03, 1.03)
    axes.grid(axis="y", color=INKS["line"], linewidth=1)
    axes.locator_params(axis="both", nbins=5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
    _labels(axes, "answered without human review", "")
    said = f"Accuracy over the share answered without human review; {100 * coverage:.0f} % is certified"
    return _drawn(axes, "automation", said)


def _arm(axes: Axes, place: int, arm: ArmPart, name: str, best: bool, share: bool, narrow: bool) -> None:
    colour = INKS["trained" if answers_trained(arm) else "accent"]
    weight = "bold" if best else "normal"
    low, high = arm.interval
    y = place + (0.16 if narrow else 0)
    edge = 1 + 62 / axes.bbox.width
    if best:
        axes.axhspan(
            place - 0.46,
            place + 0.46,
            xmin=-axes.bbox.x0 / axes.bbox.width,
            xmax=edge + 10 / axes.bbox.width,
            color=INKS["wash"],
            zorder=0,
            clip_on=False,
        )
    axes.plot([low, high], [y, y], color=colour, linewidth=7, alpha=0.32, solid_capstyle="round", clip_on=False)
    marker = "D" if answers_trained(arm) else "o"
    size = (11 if best else 9) - (marker == "D") * 1.5
    axes.plot([arm.score], [y], marker, markersize=size, color=colour, clip_on=False, zorder=4)
    style: dict[str, Any] = {"parse_math": False, "weight": weight, "color": INKS["ink"], "va": "center"}
    beside = axes.get_yaxis_transform()
    if narrow:
        axes.text(0, place - 0.2, name, ha="left", transform=beside, fontsize=TEXT + 1, **style)
    else:
        above = 0.15 if meaning(arm.name) else 0.0
        axes.text(-20 / axes.bbox.width, y - above, name, ha="right", transform=beside, fontsize=TEXT + 1.5, **style)
    said = formatting.score(arm.score, share)
    axes.text(edge, y, said, ha="right", transform=beside, fontsize=TEXT + 1.5, **style)


def _score_axis(axes: Axes, arms: Sequence[ArmPart], share: bool) -> None:
    if share:
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25", "50", "75", "100 %"])
        return
    low = min(min(arm.score, *arm.interval) for arm in arms)
    high = max(max(arm.score, *arm.interval) for arm in arms)
    margin = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
    axes.set_xlim(low - margin, high + margin)
    axes.locator_params(axis="x", nbins=5)


def _axes(width: float, height: float, *, left: float, right: float, top: float, bottom: float) -> Axes:
    """Make axes with margins in pixels, and without the frame that nobody reads."""
    figure = blank(width, height)
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    axes = figure.add_axes(box)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(length=0, labelsize=TEXT - 1, labelcolor=INKS["soft"], pad=6)
    return axes


def _labels(axes: Axes, below: str, above: str) -> None:
    axes.set_xlabel(below, color=INKS["soft"], fontsize=TEXT, labelpad=6)
    if above:
        axes.set_ylabel(above, color=INKS["soft"], fontsize=TEXT, labelpad=6)


def _drawn(axes: Axes, name: str, description: str, css_class: str = "") -> str:
    figure = axes.get_figure(root=True)
    return inline(figure, name, description, css_class) if figure else ""


def _side(axes: Axes, x: float) -> str:
    low, high = axes.get_xlim()
    share = (x - low) / (high - low)
    return "left" if share < 0.25 else "right" if share > 0.75 else "center"


def _finite(points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Average neighbours until at most `MOST_POINTS` are left: a long training must not make a heavy page."""
    block = math.ceil(len(points) / MOST_POINTS) or 1
    groups = [points[start : start + block] for start in range(0, len(points), block)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
