"""The end of a run: the verdict, the report, and the registered model."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.arm_kinds import FINE_TUNED
from postgrad.decision.form_guard import fails_by_form, if_form_kept
from postgrad.decision.resolution import assumed_resolution, units_sentence
from postgrad.decision.untold import untold
from postgrad.decision.verdict import decide
from postgrad.evaluation.arms import own_prompt
from postgrad.evaluation.measure import room_for_answers
from postgrad.evaluation.slices import SliceResult, worst_slices
from postgrad.evaluation.statistics.baselines import strangers_score
from postgrad.evaluation.statistics.scores import Groups, compare_arms
from postgrad.findings import Checked
from postgrad.json_types import JsonObject
from postgrad.measures import ArmResult, Comparison, Forgetting, Verdict
from postgrad.models.language_model import LanguageModel
from postgrad.recipe import DecisionSection, Recipe
from postgrad.records import Record
from postgrad.registry import Catalogue
from postgrad.report.made_from import arm_part, comparison_part, finding_part
from postgrad.report.run_report import (
    AutomationPart,
    DataPart,
    ForgettingPart,
    ModelPart,
    Report,
    SamplePart,
    SlicePart,
    TaskPart,
    VerdictPart,
)
from postgrad.steps.arms.passages import PASSAGES
from postgrad.steps.arms.registered import model_name
from postgrad.steps.context import RunContext
from postgrad.steps.examples import DataSummary, Examples, Grounding, TaskSpec
from postgrad.steps.fitting.before_training import Before
from postgrad.steps.fitting.training import Result
from postgrad.steps.reporting.money import budget_of, cost_part
from postgrad.steps.reporting.result_lines import keep_trace
from postgrad.storage import Blobs
from postgrad.version import __version__

SAMPLES = 8
SHOWN = 5
"""Records named for each finding."""


@dataclass(frozen=True)
class Evidence:
    """What was measured.

    Attributes:
        general: General ability: the report's part, and the tests behind it.
        trained: The training; None where nothing was trained.
        automation: What could be answered without human review; None where that was not measured.
        before: What was known before training; None where the run had no such moment.
        needs_documents: Whether answers rest on facts that training did not show.
    """

    results: Sequence[ArmResult]
    general: tuple[ForgettingPart, list[Forgetting]]
    trained: Result | None = None
    automation: AutomationPart | None = None
    before: Before | None = None
    needs_documents: bool = False

    def comparisons(self, groups: Groups) -> tuple[Comparison, ...]:
        """Every two arms beside each other."""
        return compare_arms(self.results, groups)

    def if_form_kept(self, groups: Groups) -> tuple[Comparison, ...]:
        """The same with the answers of untrained arms counted right that fail by form alone; empty where none do."""
        if not any(fails_by_form(r) for r in self.results if not r.requires_training):
            return ()
        return compare_arms([r if r.requires_training else if_form_kept(r) for r in self.results], groups)


def judged(wishes: DecisionSection, task: TaskSpec, examples: Examples, found: Evidence) -> Verdict:
    """The verdict: the one before training where that stopped the run."""
    if found.before and found.before.stop:
        return found.before.stop
    verdict = decide(
        found.results,
        found.comparisons(examples.groups),
        found.general[1],
        smallest_worth=wishes.smallest_worth,
        accepted_miss=wishes.accepted_miss,
        needs_documents=found.needs_documents,
        metric=task.choice.primary.title,
        general_use=wishes.general_use,
        unfinished=found.trained.part.cut_short if found.trained else "",
        strangers=strangers_score(task.choice, examples.test),
        form_kept=found.if_form_kept(examples.groups),
        budget=budget_of(wishes, found.results),
    )
    return verdict if task.named else untold(verdict)


def conclude(
    ctx: RunContext,
    recipe: Recipe,
    model: LanguageModel,
    task: TaskSpec,
    examples: Examples,
    summary: DataSummary,
    found: Evidence,
) -> Report:
    """Everything measured, and what follows from it."""
    results, trained, before = found.results, found.trained, found.before
    verdict = judged(recipe.decision, task, examples, found)
    assumed = assumed_resolution(len(examples.test), recipe.decision.smallest_worth, examples.units)
    return Report(
        name=model_name(recipe.name, summary.name),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        postgrad_version=__version__,
        seed=ctx.seed,
        task=TaskPart(
            kind=task.choice.kind,
            metric=task.choice.primary.name,
            why=task.choice.why,
            answer_rule=task.choice.form.sentence,
        ),
        data=data_part(summary, examples),
        system_prompt=task.instruction,
        resolvable_difference=before.resolution[-1].resolvable if before else assumed.resolvable,
        resolution=list(before.resolution) if before else [],
        constant=before.constant_part(task, examples, results) if before else None,
        arms=[arm_part(r, _answering(model, r)) for r in results],
        left_out=ctx.ledger.left_out,
        comparisons=[comparison_part(c) for c in found.comparisons(examples.groups)],
        forgetting=found.general[0],
        edge_cases=_edge_cases(ctx.seed, examples, results),
        training=trained.part if trained else None,
        automation=found.automation,
        samples=sample_parts(examples.test, results),
        cost=cost_part(
            recipe.decision,
            ctx.price,
            results,
            verdict,
            trained.seconds if trained else 0.0,
            found.automation,
            found.needs_documents,
            ctx.ledger.purse.assumptions,
        ),
        verdict=VerdictPart(
            recommendation=verdict.recommendation,
            sentence=verdict.sentence,
            reasons=[
                *verdict.reasons,
                *units_remark(examples),
                *(before.remarks(task, examples, results) if before else ()),
            ],
            before_training=bool(before and before.stop),
            examples_needed=verdict.examples_needed,
            meanwhile=verdict.meanwhile,
        ),
        machine={
            "device": model.device.name,
            "dtype": model.device.dtype,
            "parameters": model.parameters,
            "gflops": {k: round(v) for k, v in model.device.gflops.items()},
            "python": platform.python_version(),
        },
        seconds=ctx.ledger.seconds_part(ctx.clock, training=trained.seconds if trained else 0.0),
        recipe=recipe.model_dump(mode="json") | {"max_minutes": ctx.clock.minutes},
    )


def units_remark(examples: Examples) -> list[str]:
    """That the test examples are not independent, where that is so."""
    said = units_sentence(len(examples.test), examples.units, examples.largest_unit)
    return [said] if said else []


def model_details(
    blobs: Blobs, model: LanguageModel, task: TaskSpec, examples: Examples, grounding: Grounding | None
) -> JsonObject:
    """What the server must know to ask the trained model as it was measured, and the trace of its training data."""
    return {
        "system_prompt": task.trained_instruction,
        "passages": PASSAGES if grounding else 0,
        "answer_room": room_for_answers(model, examples.known)[0],
        "own_systems": any(m.role == "system" for r in examples.test for m in own_prompt(r)),
        "dtype": model.device.dtype,
        "trace": keep_trace(blobs, examples.known),
    }


def register(
    blobs: Blobs, recipe: Recipe, model: LanguageModel, trained: Result, report: Report, details: JsonObject
) -> Report:
    """Puts the trained model into the catalogue, and its name and version into the report.

    Args:
        details: From `model_details`.
    """
    tuned = {a.name: a for a in report.arms}
    entry = Catalogue().add(
        name=report.name,
        base=recipe.base,
        base_hash=model.base.hash,
        method=recipe.training.method,
        blob=trained.blob,
        template=model.renderer.fingerprint,
        data_hash=report.data.hash,
        report=blobs.put_bytes(report.model_dump_json().encode()),
        details={
            **details,
            "metric": report.task.metric,
            "score": tuned[FINE_TUNED].score,
            "recommendation": report.verdict.recommendation,
            "automation": certified(report),
        },
    )
    part = ModelPart(name=entry.name, version=entry.version, base=model.name, blob=entry.blob)
    return report.model_copy(update={"model": part})


def certified(report: Report) -> JsonObject | None:
    """What the server needs to know to say which answers a person should see; None where no threshold was certified."""
    rate = report.automation
    if rate is None or rate.threshold is None:
        return None
    return rate.model_dump(include={"arm", "threshold", "target_accuracy", "failure"})


def data_part(summary: DataSummary, examples: Examples) -> DataPart:
    """What was read and what became of it."""
    loaded = summary.loaded
    checked = summary.checked or Checked(len(loaded.records), tuple(loaded.records), (), ())
    dropped: dict[str, int] = {}
    for item in checked.dropped:
        dropped[item.check] = dropped.get(item.check, 0) + 1
    return DataPart(
        read=checked.read,
        kept=len(checked.kept),
        train=len(examples.train),
        validation=len(examples.validation),
        test=len(examples.test),
        test_units=examples.units if examples.test else None,
        hash=summary.hash,
        shape=loaded.shape,
        explanation=loaded.explanation,
        notes=list(loaded.notes),
        dropped=dropped,
        findings=[finding_part(f, checked.records, SHOWN) for f in checked.findings],
        token_histogram=list(summary.token_histogram),
    )


def _answering(model: LanguageModel, result: ArmResult) -> str:
    """Which model answered, in words."""
    return result.model or model.name + (" + adapter" if result.requires_training else "")


def _edge_cases(seed: int, examples: Examples, results: Sequence[ArmResult]) -> list[SlicePart]:
    """Where the best arm (the fine-tuned one, if there is one) does worse than elsewhere, beside the best
    alternative."""
    results = [r for r in results if not r.stopped]
    ranked = sorted(results, key=lambda r: (not r.requires_training, -r.score.value))
    if len(ranked) < 2:
        return []
    other = max(
        (r for r in results if r is not ranked[0] and not r.requires_training),
        key=lambda r: r.score.value,
        default=ranked[1],
    )
    found = worst_slices(examples.test, examples.train, ranked[0].scores, other.scores, seed)
    return [slice_part(s) for s in found]


def slice_part(found: SliceResult) -> SlicePart:
    """A slice as the report keeps it."""
    return SlicePart(
        slice=found.name,
        n=len(found.places),
        fine_tuned=found.score.value,
        against=found.against,
        interval=(found.score.low, found.score.high),
        rest=found.rest,
        p_worse=found.p_worse,
    )


def sample_parts(test: Sequence[Record], results: Sequence[ArmResult]) -> list[SamplePart]:
    """Test examples side by side: first those where the arms differ most, then the rest in order."""
    seen = [{r.name: found for r in results if (found := r.at(i)) is not None} for i in range(len(test))]
    spread = [max(s for _, s in row.values()) - min(s for _, s in row.values()) for row in seen]
    order = sorted(range(len(test)), key=lambda i: -spread[i])
    right = order[: SAMPLES // 2]
    tuned = [r for r in results if r.requires_training]
    wrong = [i for i in range(len(test)) if tuned and tuned[-1].scores[i] < 0.5 and i not in right]
    chosen = (right + wrong + order)[: SAMPLES * 4]
    picked = list(dict.fromkeys(chosen))[:SAMPLES]
    return [
        SamplePart(
            prompt=test[i].prompt_text,
            reference=test[i].answer_text,
            answers={n: a for n, (a, _) in seen[i].items()},
            scores={n: s for n, (_, s) in seen[i].items()},
        )
        for i in picked
    ]
