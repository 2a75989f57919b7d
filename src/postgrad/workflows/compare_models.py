"""`postgrad compare` for two models: both are measured on the same examples, then compared like two reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from postgrad.arm_kinds import ON_A_BASE
from postgrad.blobs import Blobs
from postgrad.data.sources.in_memory import InMemory
from postgrad.decision.change import MARGIN
from postgrad.errors import UsageError
from postgrad.progress import Stage, Working
from postgrad.recipe import Recipe
from postgrad.registry import Catalogue
from postgrad.report.comparison import CompareReport
from postgrad.report.run_report import Report
from postgrad.steps.arms.named_models import Named, base_label, named_models
from postgrad.steps.arms.registered import RAG
from postgrad.steps.reporting.compared_runs import Origin, Side, origin_of, read_side
from postgrad.steps.reporting.kept_report import kept_report
from postgrad.workflows.compare import compared
from postgrad.workflows.evaluate import EvaluateRequest, evaluate


def compare_models(
    recipe: Recipe,
    a: str,
    b: str,
    data: Sequence[Path | InMemory],
    out: Path,
    *,
    margin: float = MARGIN,
    stopped: Callable[[], bool] = lambda: False,
) -> Working[CompareReport]:
    """Two models on the same examples: measures both, then compares; leaves the evaluation's report in `out` too.

    Raises:
        PostgradError: with one clear message; the same command goes on where it stopped.
    """
    models = [named_models([name], Catalogue())[0] for name in (a, b)]
    if models[0] == models[1]:
        raise UsageError(f"{a!r} and {b!r} are the same model.", "Name two different ones.")
    report = yield from evaluate(EvaluateRequest(recipe, data, [a, b]), out, stopped)
    sides: list[Side] = []
    for model in models:
        arm = _arm_of(report, model)
        sides.append(replace(read_side(str(out), arm, arm), origin=_model_origin(Blobs(), model)))
    yield Stage("compare", "Pairing the examples")
    return (yield from compared(sides[0], sides[1], out, None, margin))


def _arm_of(report: Report, model: Named) -> str:
    """The arm that stands for a model: of a base the one with the best score."""
    if model.entry is not None:
        return f"{model.entry.id}{RAG}" if model.grounded else model.entry.id
    mine = [arm for arm in report.arms if arm.name.endswith(f"{ON_A_BASE}{base_label(model.base)}")]
    return max(mine, key=lambda arm: arm.score).name


def _model_origin(blobs: Blobs, model: Named) -> Origin:
    """What a model was made of: its run's report where one is kept, else its entry in the registry."""
    entry = model.entry
    if entry is None:
        return {"model": {"base": model.base}}
    if (report := kept_report(blobs, entry)) is not None:
        return origin_of(report)
    facts = {
        "base": entry.base,
        "method": entry.method,
        "weights": entry.blob,
        "instruction": entry.details.get("system_prompt"),
    }
    return {"data": {"hash": entry.data_hash}, "model": facts}
