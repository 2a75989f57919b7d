"""The beginning of a run: files to checked, split records, the metric, and the instruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from postgrad.checks import checking, names_of_checks, refuse_unknown, repaired
from postgrad.checks.structure import messages_of
from postgrad.data.augment.from_documents import GENERATED
from postgrad.data.glossary import load_glossary
from postgrad.data.load import LoadedRecords, data_hash
from postgrad.data.sources.in_memory import InMemory
from postgrad.data.split.split import SplitName
from postgrad.decision.resolution import assumed_resolution
from postgrad.errors import GateError
from postgrad.evaluation.metrics.support.by_record import choose_for
from postgrad.evaluation.metrics.support.metric import AskModel, MetricResources
from postgrad.findings import Checked, Context, Finding
from postgrad.models.rendering.render import Renderer
from postgrad.progress import Progress, Said, Working
from postgrad.recipe import DataSection, Recipe
from postgrad.records import Record, Text, content_hash
from postgrad.steps import loading
from postgrad.steps.arms.passages import grounding_in
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.divide import divide, split_findings
from postgrad.steps.examples import DataSummary, Examples, Grounding, TaskSpec
from postgrad.steps.fitting.reward import grader_of
from postgrad.steps.fitting.trainable_records import WANTED, wanted_by
from postgrad.steps.material import examples_of, kind_of, with_objective
from postgrad.steps.task_sentence import task_spec
from postgrad.steps.text_parts import divide_texts
from postgrad.steps.time_budget import room_for_test
from postgrad.thinking import SUFFIX


def checked_records(
    base: BaseFiles,
    data: DataSection,
    objective: str,
    paths: Sequence[Path | InMemory],
    loaded: LoadedRecords | None = None,
) -> Working[tuple[LoadedRecords, Checked, list[Record]]]:
    """Reads and checks: what was read, what the checks say, and the records that can be used.

    Args:
        objective: Records of its kind are wanted; "" for those of whichever kind they are.
        loaded: What was read of the paths already.

    Raises:
        DataError: the input cannot be used.
        GateError: a check found an error that was not accepted.
    """
    loaded = loaded or loading.loaded(data, paths)
    yield Said(loaded.explanation)
    for note in loaded.notes:
        yield Said(note, warning=True)
    wanted = wanted_by(objective) if objective else WANTED[kind_of(loaded)]
    wanted.refuse(loaded)
    renderer = yield from base.renderer()
    records = _limited(wanted.read(loaded.records), data.max_records)
    if len(records) < len(loaded.records):
        yield Said(
            f"{len(records)} of {len(loaded.records)} records are used (data.max_records), chosen by content hash."
        )
    if note := _thought_note(records, renderer.thinking):
        yield Said(note, warning=True)
    refuse_unknown(data.accept)
    findings: list[Finding] = []
    names = names_of_checks()
    glossary = load_glossary(data.glossary) if data.glossary is not None else ()
    context = Context(renderer.count, renderer.context, glossary=glossary)
    for done, (name, found, _) in enumerate(checking(records, context), 1):
        findings += found
        yield Progress(done, len(names), "checks", name)
    checked = repaired(records, findings, accept=data.accept, ran=names)
    for finding in checked.findings:
        kept = " They stay in, as accepted." if finding.check in data.accept and finding.repairs else ""
        yield Said(f"{finding.check}: {finding.sentence}{kept}", warning=finding.severity != "info" or bool(kept))
    if errors := checked.errors(data.accept):
        lines = "\n  ".join(f"{f.check}: {f.sentence}" for f in errors)
        raise GateError(
            f"The checks found errors that must not be trained on:\n  {lines}",
            f"Fix the data, or accept them: --accept {errors[0].check}",
        )
    if generated := sum(GENERATED in r.meta for r in checked.kept):
        yield Said(
            f"{generated} of {len(checked.kept)} examples were written by a model: a verdict on them speaks of requests"
            " that no person asked. Add real ones, at least to test on (--test).",
            warning=True,
        )
    usable = wanted.usable(checked.kept)
    if wanted.counts and len(usable) < len(checked.kept):
        yield Said(
            f"{len(checked.kept) - len(usable)} records have nothing to train on and are left out.", warning=True
        )
    return loaded, checked, usable


def _thought_note(records: Sequence[Record], thinking: bool) -> str:
    """What becomes of reasoning in the records; empty where there is nothing to say."""
    held = sum(any(m.reasoning for m in messages_of(r)) for r in records)
    if held and not thinking:
        return (
            f"{held} of {len(records)} records hold reasoning before an answer; it is left out, because the base"
            f" answers without any. `--base BASE{SUFFIX}` trains on it."
        )
    if thinking and held < len(records):
        return (
            f"{len(records) - held} of {len(records)} records hold no reasoning: trained on them, the base learns to"
            f" answer without thinking first, in spite of {SUFFIX}."
        )
    return ""


def read_and_check(
    base: BaseFiles,
    recipe: Recipe,
    resources: MetricResources,
    paths: Sequence[Path | InMemory],
    writer: AskModel | None = None,
) -> Working[tuple[Recipe, Examples, TaskSpec, Grounding | None, DataSummary]]:
    """Reads, checks, repairs, splits; settles the objective, chooses the metric, and writes the instruction where
    none is given.

    Args:
        writer: A model that can say from examples what the task is; None where there is none.

    Raises:
        UsageError: the objective that the recipe names does not learn from such records.
        DataError: the input cannot be used.
        GateError: a check found an error that was not accepted.
    """
    loaded = loading.loaded(recipe.data, paths, objective=recipe.training.named_objective)
    recipe = yield from with_objective(recipe, loaded)
    loaded, checked, kept = yield from checked_records(base, recipe.data, "", paths, loaded)
    renderer = yield from base.renderer()
    grounding = yield from grounding_in(recipe.evaluation.docs, renderer)
    held = yield from held_out_files(base, recipe.data, "")
    room = room_for_test(recipe.max_minutes, mean_tokens(renderer, kept))
    dividing = divide_texts if kind_of(loaded) is Text else divide
    parts = yield from dividing(recipe.data, recipe.seed, kept, held, room=room)
    checked = replace(checked, findings=(*checked.findings, *split_findings(parts)))
    examples = yield from examples_of(recipe.data, recipe.training.objective, parts, room, renderer)
    choice = choose_for(
        kind_of(loaded), examples.known, recipe.evaluation.metric, resources, grader_of(recipe.training)
    )
    task = yield from task_spec(choice, recipe.data, examples, writer)
    yield Said(
        f"{len(examples.train)} train, {len(examples.validation)} validation, {len(examples.test)} test."
        f" {task.choice.why}"
    )
    if examples.turns:
        yield Said(examples.turns.sentence)
    if not examples.raw:  # what it assumes is of right and wrong
        yield Said(assumed_resolution(len(examples.test), recipe.decision.smallest_worth, examples.units).sentence)
    for caution in task.choice.cautions(examples.test):
        yield Said(caution, warning=True)
    divided = [*examples.known, *(examples.test if examples.raw else parts.test)]
    histogram = token_histogram(renderer, divided)
    summary = DataSummary(Path(paths[0]).stem, loaded, checked, data_hash(divided), histogram)
    return recipe, examples, task, grounding, summary


def held_out_files(base: BaseFiles, data: DataSection, objective: str) -> Working[list[tuple[SplitName, list[Record]]]]:
    """The records of the user's own validation and test files, read and checked like the others.

    Raises:
        DataError: the input cannot be used.
        GateError: a check found an error that was not accepted.
    """
    files: list[tuple[SplitName, list[str]]] = [("validation", data.validation_files), ("test", data.test_files)]
    held: list[tuple[SplitName, list[Record]]] = []
    for part, paths in files:
        if paths:
            yield Said(f"The {part} part: {', '.join(paths)}")
            _, _, records = yield from checked_records(base, data, objective, [Path(path) for path in paths])
            held.append((part, records))
    return held


def _limited(records: Sequence[Record], most: int | None) -> list[Record]:
    if most is None or len(records) <= most:
        return list(records)
    chosen = set(sorted(range(len(records)), key=lambda i: content_hash(records[i]))[:most])
    return [r for i, r in enumerate(records) if i in chosen]


def mean_tokens(renderer: Renderer, records: Sequence[Record], most: int = 200) -> float:
    """Tokens of a record, request and answer, by so many of them."""
    some = records[:: -(-len(records) // most) or 1]
    return sum(renderer.count(r.prompt_text) + renderer.count(r.answer_text) for r in some) / max(1, len(some))


def token_histogram(renderer: Renderer, records: Sequence[Record], bins: int = 16) -> tuple[tuple[int, int], ...]:
    """Counts by length in up to `bins` equal bins: (upper edge in tokens, records)."""
    lengths = [renderer.count(r.prompt_text) + renderer.count(r.answer_text) for r in records]
    width = max(1, -(-max(lengths) // bins))
    edges = range(width, max(lengths) + width, width)
    return tuple((edge, sum(edge - width < n <= edge for n in lengths)) for edge in edges)
