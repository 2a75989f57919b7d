"""The story of a promotion: a version answers for everybody once the gate lets it, and the reasons are kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from postgrad.arm_kinds import is_trained, recommended_arm
from postgrad.blobs import Blobs
from postgrad.data.sources.in_memory import InMemory
from postgrad.decision.change import Condition, better, cases_passed, nothing_lost, recommended
from postgrad.errors import GateError, ModelError, UsageError
from postgrad.export.parity.gate import Parity
from postgrad.json_types import JsonObject
from postgrad.measures import Comparison
from postgrad.models.device import probe
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.registry.moves import PRODUCTION
from postgrad.steps.arms.registered import own_retriever, passages_of, prompt_builder
from postgrad.steps.delivery.as_measured import as_measured
from postgrad.steps.delivery.kept_scores import paired_with
from postgrad.steps.delivery.probing import gate, leaving_model, probes_of
from postgrad.steps.delivery.served_parity import HERE, HERE_EXACT, own_contestant
from postgrad.steps.reporting.kept_report import kept_report
from postgrad.workflows.compare_models import compare_models


@dataclass(frozen=True)
class Promotion:
    """What was promoted, and on which conditions.

    Attributes:
        before: The version that answered until now; None where there was none.
        forced: The reason for which conditions that do not hold were passed over.
    """

    entry: ModelEntry
    alias: str
    before: ModelEntry | None
    conditions: tuple[Condition, ...]
    forced: str = ""

    def to_dict(self) -> JsonObject:
        """JSON-safe."""
        return {
            "model": self.entry.id,
            "alias": self.alias,
            "before": self.before.id if self.before else None,
            "forced": self.forced,
            "conditions": [{"name": c.name, "held": c.held, "sentence": c.sentence} for c in self.conditions],
        }


def promote(
    reference: str,
    alias: str = PRODUCTION,
    *,
    data: Sequence[Path | InMemory] = (),
    force: str = "",
    recipe: Recipe | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Working[Promotion]:
    """Points an alias to a version. `production` has a gate; other aliases are names and nothing more.

    Args:
        reference: `name@version`, or `name` for its newest one.
        alias: `production`, `candidate`, …
        data: Examples on which the version and the one in production are measured, where they were not measured on
            the same ones.
        force: Why conditions that do not hold are passed over; empty: they are not.
        recipe: Of that measurement, how the data is read; that of the version's own run when None.
        stopped: Asked often.

    Raises:
        GateError: a condition does not hold.
        UsageError: the version answers already.
    """
    catalogue = Catalogue()
    entry = catalogue.newest(reference)
    before = _standing(catalogue, entry.name, alias)
    if alias != PRODUCTION and (data or force):
        raise UsageError(f"Only {PRODUCTION} has a gate.", "Leave --data and --force out.")
    if before is not None and before.id == entry.id:
        raise UsageError(f"{entry.id} is {alias!r} already.", f"See `postgrad models lineage {entry.id}`.")
    conditions: tuple[Condition, ...] = ()
    if alias == PRODUCTION:
        conditions = yield from _conditions(entry, before, data, recipe, stopped)
        for condition in conditions:
            yield Said(condition.sentence, warning=not condition.held)
        wrong = [c for c in conditions if not c.held]
        if wrong and not force:
            raise GateError(
                f"{entry.id} was not promoted: {wrong[0].sentence}",
                " ".join(
                    filter(None, [wrong[0].mend, 'To promote it nevertheless: --force "the reason", which is kept.'])
                ),
            )
    reason = f"forced: {force}" if force else "; ".join(c.sentence for c in conditions)
    done = Promotion(entry, alias, before, conditions, force)
    catalogue.promote(entry.id, alias, reason, done.to_dict())
    return done


def _standing(catalogue: Catalogue, name: str, alias: str) -> ModelEntry | None:
    try:
        return catalogue.get(f"{name}@{alias}")
    except ModelError:
        return None


def _conditions(
    entry: ModelEntry,
    before: ModelEntry | None,
    data: Sequence[Path | InMemory],
    recipe: Recipe | None,
    stopped: Callable[[], bool],
) -> Working[tuple[Condition, ...]]:
    blobs = Blobs()
    report = kept_report(blobs, entry)
    advised = entry.details.get("recommendation")
    if before is None and data:
        found = yield from _measured(blobs, entry, entry.base, data, recipe, stopped)
        first = better(found, entry.id, entry.base)
    elif before is None:
        first = recommended(entry.id, advised, bool(advised) and is_trained(recommended_arm(str(advised))))
    else:
        found = yield from _compared(blobs, entry, before, data, recipe, stopped)
        first = better(found, entry.id, before.id)
    lost = [b.name for b in report.forgetting.benchmarks if b.verdict == "lost"] if report and report.forgetting else []
    arm = recommended_arm(str(advised or ""))
    failed = report.must_pass.failures(arm if is_trained(arm) else "fine_tuned") if report and report.must_pass else []
    yield Stage("parity", f"Holding {entry.id} as it is served to its own plain code")
    found_parity = yield from served_as_trained(entry, blobs)
    return (first, nothing_lost(lost), cases_passed(failed), parity_condition(found_parity))


def _compared(
    blobs: Blobs,
    entry: ModelEntry,
    before: ModelEntry,
    data: Sequence[Path | InMemory],
    recipe: Recipe | None,
    stopped: Callable[[], bool],
) -> Working[Comparison | None]:
    """Both on the same examples: on those given, else on those that both were measured on."""
    if not data:
        return paired_with(blobs, entry, before)
    return (yield from _measured(blobs, entry, before.id, data, recipe, stopped))


def _measured(
    blobs: Blobs,
    entry: ModelEntry,
    against: str,
    data: Sequence[Path | InMemory],
    recipe: Recipe | None,
    stopped: Callable[[], bool],
) -> Working[Comparison]:
    """A version and another model on examples, as the version's own run reads and judges them."""
    recipe = recipe or as_measured(blobs, entry)
    with tempfile.TemporaryDirectory(prefix="postgrad-") as scratch:
        found = yield from compare_models(recipe, against, entry.id, data, Path(scratch), stopped=stopped)
    low, high = found.interval
    return Comparison(
        arm=entry.id,
        against=against,
        difference=found.difference,
        low=low,
        high=high,
        p_value=found.p_value,
        p_adjusted=found.p_value,
        n=found.common.n,
    )


def served_as_trained(entry: ModelEntry, blobs: Blobs) -> Working[list[Parity]]:
    """The gate on the engine that serves here: the plain form and, where the model has documents, the one with
    passages.

    Raises:
        ModelError: the base cannot be had, or has changed.
    """
    leaving = leaving_model(entry, blobs)
    tolerance = HERE_EXACT if probe().dtype == "float32" else HERE
    forms = [None, own_retriever(entry, blobs)] if passages_of(entry) else [None]
    out: list[Parity] = []
    for retrieve in forms:
        probes = yield from probes_of(leaving, entry, blobs, retrieve)
        builder = prompt_builder(entry, leaving.renderer, retrieve)
        out += yield from gate(own_contestant(leaving, builder), probes, tolerance)
    return out


def parity_condition(found: Sequence[Parity]) -> Condition:
    """What is served is what was trained."""
    wrong = next((p for p in found if not p.held), None)
    if wrong is None:
        return Condition("parity", True, f"Served as it was trained: {found[0].sentence}")
    return Condition("parity", False, wrong.sentence, "Train again, or restore its base.")
