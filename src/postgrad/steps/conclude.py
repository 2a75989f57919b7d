"""The end of a run: the verdict, the report, and the registered model."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from postgrad.arm_kinds import FINE_TUNED, GOOD_ANSWERS, is_trained, recommended_arm, told
from postgrad.blobs import Blobs
from postgrad.data.sources.in_memory import InMemory
from postgrad.decision.form_guard import fails_by_form, if_form_kept
from postgrad.decision.must_pass import held_to
from postgrad.decision.resolution import assumed_resolution, units_sentence
from postgrad.decision.untold import untold
from postgrad.decision.verdict import decide
from postgrad.decision.wording import at_confidence
from postgrad.evaluation.arms import own_prompt
from postgrad.evaluation.measure import room_for_answers
from postgrad.evaluation.statistics.baselines import strangers_score
from postgrad.evaluation.statistics.scores import Groups, compare_arms
from postgrad.findings import Checked
from postgrad.json_types import JsonObject
from postgrad.measures import ArmResult, Comparison, Forgetting, Verdict
from postgrad.models.language_model import LanguageModel
from postgrad.recipe import DecisionSection, Recipe
from postgrad.registry import Catalogue
from postgrad.report.made_from import arm_part, comparison_part, finding_part
from postgrad.report.must_pass import MustPassPart
from postgrad.report.preferences import PreferencesPart
from postgrad.report.registration import RegistrationPart
from postgrad.report.run_report import (
    AutomationPart,
    DataPart,
    ForgettingPart,
    ModelPart,
    Report,
    TaskPart,
    VerdictPart,
)
from postgrad.report.voice import VoicePart
from postgrad.steps.arms.passages import PASSAGES
from postgrad.steps.arms.registered import model_name
from postgrad.steps.context import RunContext
from postgrad.steps.delivery.canaries import keep_canary
from postgrad.steps.delivery.kept_scores import keep_scores
from postgrad.steps.delivery.questions import data_files, keep_questions
from postgrad.steps.examples import DataSummary, Examples, Grounding, TaskSpec
from postgrad.steps.fitting.before_training import Before
from postgrad.steps.fitting.training import Result
from postgrad.steps.registration import counted
from postgrad.steps.reporting.answer_parts import edge_cases, sample_parts
from postgrad.steps.reporting.money import budget_of, cost_part
from postgrad.steps.reporting.result_lines import keep_trace
from postgrad.version import __version__

SHOWN = 5
"""Records named for each finding."""
FIRST = "the first version of its name that a verdict recommends"


@dataclass(frozen=True)
class Evidence:
    """What was measured.

    Attributes:
        general: General ability: the report's part, and the tests behind it.
        trained: The training; None where nothing was trained.
        automation: What could be answered without human review; None where that was not measured.
        before: What was known before training; None where the run had no such moment.
        needs_documents: Whether answers rest on facts that training did not show.
        registration: What was fixed before; None in commands that fix nothing.
        must_pass: What the arms made of the user's cases; None without cases.
        preferences: Whose answers a judge or people prefer; None where nobody was asked.
        voice: In whose voice the arms go on from raw text; None of other data.
    """

    results: Sequence[ArmResult]
    general: tuple[ForgettingPart, list[Forgetting]]
    trained: Result | None = None
    automation: AutomationPart | None = None
    before: Before | None = None
    needs_documents: bool = False
    registration: RegistrationPart | None = None
    must_pass: MustPassPart | None = None
    preferences: PreferencesPart | None = None
    voice: VoicePart | None = None

    @property
    def look(self) -> int:
        """Which look at the test part this is."""
        return self.registration.look if self.registration else 1

    def comparisons(self, groups: Groups) -> tuple[Comparison, ...]:
        """Every two arms beside each other."""
        return compare_arms(self.results, groups, look=self.look)

    def if_form_kept(self, groups: Groups) -> tuple[Comparison, ...]:
        """The same with the answers of untrained arms counted right that fail by form alone; empty where none do."""
        if not any(fails_by_form(r) for r in self.results if not r.requires_training):
            return ()
        kept = [r if r.requires_training else if_form_kept(r) for r in self.results]
        return compare_arms(kept, groups, look=self.look)

    def without(self, arms: Collection[str]) -> Evidence:
        """The same without some arms."""
        return replace(self, results=[r for r in self.results if r.name not in arms])


def judged(wishes: DecisionSection, task: TaskSpec, examples: Examples, found: Evidence) -> Verdict:
    """The verdict: the one before training where that stopped the run; held to the user's must-pass cases."""

    def of(evidence: Evidence) -> Verdict:
        verdict = by_scores(wishes, task, examples, evidence)
        return verdict if task.named else untold(verdict)

    def without(arms: Collection[str]) -> Verdict | None:
        left = found.without(arms)
        return of(left) if left.results else None

    verdict = (found.before.stop if found.before else None) or of(found)

    return held_to(verdict, found.must_pass, without) if found.must_pass else verdict


def by_scores(wishes: DecisionSection, task: TaskSpec, examples: Examples, found: Evidence) -> Verdict:
    """The verdict on what was measured on the test part and on general benchmarks."""
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
    if found.registration is None:
        return verdict
    return replace(verdict, sentence=at_confidence(verdict.sentence, found.registration.confidence))


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
    if found.registration:
        found = replace(found, registration=counted(found.registration))
    results, trained, before = found.results, found.trained, found.before
    verdict, documents = judged(recipe.decision, task, examples, found), bool(recipe.evaluation.docs)
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
            sentence=task.sentence,
            written_by=task.written_by,
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
        edge_cases=edge_cases(ctx.seed, examples, results),
        training=trained.part if trained else None,
        automation=found.automation,
        registration=found.registration,
        must_pass=found.must_pass,
        preferences=found.preferences,
        voice=found.voice,
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
            trained.part.tokens if trained else 0,
        ),
        verdict=VerdictPart(
            recommendation=verdict.recommendation,
            sentence=told(verdict.sentence, documents),
            reasons=[
                *(told(reason, documents) for reason in verdict.reasons),
                *look_remark(found.registration),
                *units_remark(examples),
                *(before.remarks(task, examples, results) if before else ()),
            ],
            before_training=bool(before and before.stop),
            examples_needed=verdict.examples_needed,
            meanwhile=verdict.meanwhile,
            why=verdict.why,
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


def look_remark(registration: RegistrationPart | None) -> list[str]:
    """That others looked at this test part before, where they did."""
    return [registration.sentence] if registration and registration.look > 1 else []


def units_remark(examples: Examples) -> list[str]:
    """That the test examples are not independent, where that is so."""
    turns = [examples.turns.sentence] if examples.turns else []
    said = units_sentence(len(examples.test), examples.units, examples.largest_unit)
    return [*turns, said] if said else turns


def model_details(
    blobs: Blobs,
    model: LanguageModel,
    task: TaskSpec,
    examples: Examples,
    grounding: Grounding | None,
    results: Sequence[ArmResult],
    files: Sequence[Path | InMemory],
    texts: bool = True,
) -> JsonObject:
    """What the server must know to ask the trained model as it was measured, the trace of its training data, and what
    it takes to measure or train it again."""
    return {
        "files": data_files(files),
        "scores": keep_scores(blobs, task.choice.primary.name, examples.test, results, examples.groups),
        "probes": keep_questions(blobs, examples.test) if texts else None,
        "system_prompt": task.trained_instruction,
        "passages": PASSAGES if grounding else 0,
        "answer_room": room_for_answers(model, examples.known)[0],
        "own_systems": any(m.role == "system" for r in examples.test for m in own_prompt(r)),
        "dtype": model.device.dtype,
        "trace": keep_trace(blobs, examples.known),
    }


def register(
    blobs: Blobs,
    recipe: Recipe,
    model: LanguageModel,
    trained: Result,
    report: Report,
    details: JsonObject,
    good_answers: Result | None = None,
) -> Report:
    """Puts the trained model into the catalogue, and its name and version into the report.

    Args:
        details: From `model_details`.
        good_answers: What was trained on the good answers alone; it is registered instead where the verdict says so.
    """
    arm = FINE_TUNED
    if good_answers is not None and report.verdict.recommendation == GOOD_ANSWERS:
        arm, trained = GOOD_ANSWERS, good_answers
    tuned = {a.name: a for a in report.arms}
    canary = keep_canary(blobs, model, trained.trained, trained.blob)
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
            "canary": canary,
            "metric": report.task.metric,
            "score": tuned[arm].score,
            "interval": list(tuned[arm].interval),
            "recommendation": report.verdict.recommendation,
            "automation": certified(report, trained.blob),
            "seed": report.seed,
        },
        production=FIRST if is_trained(recommended_arm(report.verdict.recommendation)) else "",
    )
    part = ModelPart(name=entry.name, version=entry.version, base=model.name, blob=entry.blob)
    return report.model_copy(update={"model": part})


def certified(report: Report, blob: str) -> JsonObject | None:
    """What the server needs to know to say which answers a person should see; None where no threshold was certified.

    Args:
        blob: Of the weights whose answers it was certified on: it holds for no others.
    """
    rate = report.automation
    fields = {f.name: f.threshold for f in rate.fields} if rate else {}
    sure = any(threshold is not None for threshold in fields.values())
    if rate is None or (rate.threshold is None and not sure):
        return None
    found = rate.model_dump(include={"arm", "threshold", "target_accuracy", "failure"})
    return {**found, "blob": blob} | ({"fields": fields} if sure else {})


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
        test_conversations=examples.turns.conversations if examples.turns else None,
        test_turns=examples.turns.found if examples.turns else None,
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
