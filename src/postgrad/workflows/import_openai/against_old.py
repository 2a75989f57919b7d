"""The retrained model beside the old one on examples that neither was trained on, with paired statistics.

The old model's answers come from a file where they were recorded, else the old model is asked while it still exists;
every answer is kept, so none is paid for twice.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from postgrad.arm_kinds import FINE_TUNED, REMOTE
from postgrad.data.load import LoadedRecords, conversations, data_hash, load
from postgrad.errors import ModelError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.metrics.support.choose import MetricChoice, choose_metric
from postgrad.evaluation.prompting import PromptBuilder
from postgrad.evaluation.statistics.scores import Groups, score_interval
from postgrad.measures import ArmResult
from postgrad.models.adapters.trained_weights import load_trained
from postgrad.models.remote.client import Asking, Budget, RemoteModel
from postgrad.pages.report_page import write_report
from postgrad.progress import Said, Stage, Working
from postgrad.recipe import Recipe, merged
from postgrad.records import Conversation, Preference, content_hash
from postgrad.report.run_report import Report
from postgrad.steps.arms.measuring import answered, as_tested
from postgrad.steps.arms.metric_resources import MeasuredModel, metric_resources
from postgrad.steps.base_files import BaseFiles
from postgrad.steps.conclude import Evidence, conclude
from postgrad.steps.context import RunContext
from postgrad.steps.examination.forgetting import forgetting
from postgrad.steps.examples import DataSummary, Examples, TaskSpec, groups_of
from postgrad.workflows.import_openai.fetch import Fetched
from postgrad.workflows.import_openai.recorded import Recorded
from postgrad.workflows.import_openai.retrain import Retrained

FEWEST = 5
MOST_TOKENS = 1024
"""Longest answer that an old model is asked for; less where the right answers are short."""


@dataclass(frozen=True)
class Comparing:
    """How models are compared.

    Attributes:
        url: Where the old models can be asked.
        key_env: Variable with the key; None where there is none.
        held_out: File of examples for every job; None takes each job's validation file.
        recorded: Answers of old models that were recorded.
        most: Examples at most.
        budget: What asking the old models may cost by this command.
    """

    url: str
    key_env: str | None
    held_out: Path | None
    recorded: Recorded | None
    most: int
    budget: Budget


def compare(
    one: Fetched, new: Retrained, base: str, how: Comparing, stopped: Callable[[], bool]
) -> Working[Report | None]:
    """Compares and writes `comparison/report.html` into the job's folder; None, and said why, where it cannot be.

    Raises:
        Interrupted: `stopped()` turned true; answers so far are kept.
    """
    yield Stage("compare", f"Comparing {new.model} with {one.model}")
    path = how.held_out or one.files.get("validation")
    if path is None:
        yield Said(
            f"{one.id} has no validation file to compare on; name examples that it was not trained on: --held-out FILE",
            warning=True,
        )
        return None
    records = yield from _held_out(one, path, how.most)
    if len(records) < FEWEST:
        yield Said(
            f"Only {len(records)} held-out examples are left for {one.id}; at least {FEWEST} are required.",
            warning=True,
        )
        return None
    try:
        old = yield from _old_answers(one, records, how, stopped)
    except ModelError as error:
        yield Said(f"{one.model} cannot be queried, so {one.id} is not compared: {error.message}", warning=True)
        return None
    pairs = [(record, answer) for record, answer in zip(records, old, strict=True) if answer is not None]
    if len(pairs) < FEWEST:
        yield Said(
            f"{one.model} answered {len(pairs)} of {len(records)} examples; at least {FEWEST} are required.",
            warning=True,
        )
        return None
    report = yield from _judged(one, new, base, [r for r, _ in pairs], [a for _, a in pairs], stopped)
    write_report(report, one.folder / "comparison")
    yield Said(sentence(report))
    return report


def sentence(report: Report) -> str:
    """What came out, in one sentence with its numbers."""
    new, old = (next(a for a in report.arms if a.name == name) for name in (FINE_TUNED, REMOTE))
    found = next(c for c in report.comparisons if {c.arm, c.against} == {FINE_TUNED, REMOTE})
    low, high = found.interval
    return (
        f"{report.task.metric} on {new.n} held-out examples: retrained {100 * new.score:.1f} %, old model"
        f" {100 * old.score:.1f} %; difference {100 * found.difference:+.1f} points (95 % interval {100 * low:+.1f} to"
        f" {100 * high:+.1f})."
    )


def _held_out(one: Fetched, path: Path, most: int) -> Working[list[Conversation]]:
    """Examples with an answer that the training file does not hold, a fixed choice of them."""
    trained = {r.prompt_text.strip() for r in load([one.files["training"]], minimum=1).records}
    records = [r for r in _answered(load([path], minimum=1)) if r.answer is not None]
    fresh = [r for r in records if r.prompt_text.strip() not in trained]
    if len(fresh) < len(records):
        yield Said(
            f"{len(records) - len(fresh)} of {len(records)} held-out examples were trained on too and are left out.",
            warning=True,
        )
    return sorted(fresh, key=content_hash)[:most]


def _answered(loaded: LoadedRecords) -> list[Conversation]:
    """Conversations with the right answer at the end: of a pair, the preferred one."""
    pairs = [
        Conversation(messages=(*r.prompt, *r.chosen), tools=r.tools, source=r.source)
        for r in loaded.records
        if isinstance(r, Preference)
    ]
    return pairs or conversations(loaded)


def _old_answers(
    one: Fetched, records: Sequence[Conversation], how: Comparing, stopped: Callable[[], bool]
) -> Working[list[str | None]]:
    if how.recorded is not None:
        found = [how.recorded.answer(record) for record in records]
        yield Said(f"{sum(a is not None for a in found)} of {len(records)} held-out examples have a recorded answer.")
        return found
    remote = RemoteModel(how.url, one.model or "", key_env=how.key_env, budget=how.budget)
    answers = yield from remote.answer([r.prompt for r in records], Asking(_room(records)), stopped)
    used = remote.usage
    spent = used.prompt_tokens + used.completion_tokens
    yield Said(f"{one.model} was queried {used.asked} times ({spent:,} tokens); {used.kept} answers were cached.")
    if used.unasked:
        yield Said(f"{used.unasked} examples were not sent: the budget (--max-tokens) is used up.", warning=True)
    return [None if a is None or a.finish == "refused" else a.text for a in answers]


def _room(records: Sequence[Conversation]) -> int:
    """Tokens for an answer of the old model: ample for the longest right one, in whatever tokenizer it has."""
    return min(MOST_TOKENS, 32 + max(len(r.answer_text) for r in records))


def _judged(
    one: Fetched,
    new: Retrained,
    base: str,
    records: Sequence[Conversation],
    old: Sequence[str],
    stopped: Callable[[], bool],
) -> Working[Report]:
    recipe = merged(Recipe(), {"base": base, "name": new.model, "evaluation.general": False})
    ctx = RunContext.of(recipe, stopped)
    model = yield from BaseFiles(base).load()
    choice = choose_metric(records, None, metric_resources(ctx, recipe.evaluation, MeasuredModel(model)))
    loaded = load([one.files["training"]], minimum=1)
    # not by turns: the old model's answers are to the last ones
    examples = Examples(tuple(_answered(loaded)), (), tuple(records), groups_of(records, None))
    model.use(load_trained(ctx.blobs.get_folder(new.blob)), new.blob)
    arm = replace(ways.fine_tuned(PromptBuilder(model.renderer)), note=f"{new.model}, retrained from {one.id}.")
    task = TaskSpec(choice, "", own_instruction=False)
    tuned = yield from answered(as_tested(ctx, model, task, examples, new.blob), arm, records, choice, examples.groups)
    results = [_remote(one, choice, records, old, examples.groups), tuned]
    general = forgetting(recipe.decision.forgetting_margin, None, None, wanted=False)
    summary = DataSummary(one.id, loaded, None, data_hash(records))
    report = conclude(ctx, recipe, model, task, examples, summary, Evidence(results, general))
    arms = [a.model_copy(update={"model": one.model}) if a.name == REMOTE else a for a in report.arms]
    return report.model_copy(update={"arms": arms})


def _remote(
    one: Fetched,
    choice: MetricChoice,
    records: Sequence[Conversation],
    answers: Sequence[str],
    groups: Groups,
) -> ArmResult:
    """The old model's answers as an arm; what is not known of them stays empty."""
    found = choice.measure(answers, records, [r.prompt for r in records])
    words = statistics.fmean(len(a.split()) for a in answers)
    return ArmResult(
        name=REMOTE,
        scores=found.scores,
        answers=tuple(answers),
        metrics={**found.figures, "words": words},
        prompt_tokens_mean=0.0,
        completion_tokens_mean=0.0,
        latency_ms_p50=0.0,
        cost_per_1000=None,
        score=score_interval(found.scores, groups),
        note=f"{one.model}, queried at its provider, or as recorded.",
        details=dict(found.details),
    )
