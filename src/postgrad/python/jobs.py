"""The functions of the API that run or train models: `run`, `train`, `evaluate`, `compare`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postgrad.cli.support.options import remote_models
from postgrad.data.sources.in_memory import sources
from postgrad.errors import UsageError
from postgrad.extensions import in_call
from postgrad.progress import Working
from postgrad.python.arguments import DataLike, Place, SettingsLike, data_changes, folder_of, recipe_of
from postgrad.python.own import OwnArms, OwnChecks, OwnMetric, OwnObjective, given_of
from postgrad.python.report import Report
from postgrad.python.running import DoorCall, Running
from postgrad.recipe import Recipe
from postgrad.report import run_report
from postgrad.report.comparison import CompareReport
from postgrad.steps.base_files import bases_of
from postgrad.workflows import evaluate as evaluating
from postgrad.workflows import train as training
from postgrad.workflows.compare import compare_runs, kind_of
from postgrad.workflows.compare_models import compare_models
from postgrad.workflows.evaluate import EvaluateRequest
from postgrad.workflows.run import run as main_job
from postgrad.workflows.run_bases import run_bases
from postgrad.workflows.train import TrainedModel


@DoorCall
def run(
    data: DataLike,
    recipe: Recipe | Place | None = None,
    *,
    base: str | None = None,
    name: str | None = None,
    input: str | Sequence[str] | None = None,
    output: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
    docs: Place | None = None,
    arms: OwnArms | None = None,
    metric: OwnMetric | None = None,
    checks: OwnChecks = (),
    accept: Sequence[str] = (),
    max_minutes: float | None = None,
    settings: SettingsLike | None = None,
    out: Place | None = None,
) -> Running[Report]:
    """The main job: check, split, measure every arm, train, compare, register, report.

    The same call again redoes only what changed; after an interruption it resumes where it stopped.

    Args:
        data: See `DataLike`.
        recipe: All settings, or a file of them; the arguments override it.
        base: Base model; several, separated by commas, are compared.
        name: Of the resulting model.
        input: Column(s) of the request.
        output: Column(s) of the answer.
        system_prompt: Instruction for the prompted arms.
        docs: Folder of documents to retrieve from.
        arms: Arms to measure: names, and functions of your own (see `OwnArms`).
        metric: Primary metric: a name with options, or a function of your own.
        checks: Checks of your own, beside postgrad's.
        accept: Checks whose errors do not stop the run.
        max_minutes: Wish for the whole run.
        settings: See `SettingsLike`.
        out: Folder for `report.json`, `report.html` and `results.jsonl`; named after the data when None.

    Raises:
        PostgradError: with one clear message.
    """
    own = given_of(metric, checks, arms)
    changes = {
        "base": base,
        "name": name,
        "max_minutes": max_minutes,
        "evaluation.docs": None if docs is None else str(docs),
        "evaluation.arms": own.arms,
        "evaluation.metric": own.metric,
        **data_changes(input, output, system_prompt, accept),
    }
    with in_call(own.given):
        chosen = recipe_of(recipe, settings, changes)
    paths = sources(data)
    folder = folder_of(out, paths, "report")
    work = run_bases if len(bases_of(chosen.base)) > 1 else main_job
    return Running(lambda stopped: _report(work(chosen, paths, folder, stopped), folder), own.given)


@DoorCall
def train(
    data: DataLike,
    recipe: Recipe | Place | None = None,
    *,
    base: str | None = None,
    name: str | None = None,
    objective: OwnObjective | None = None,
    input: str | Sequence[str] | None = None,
    output: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
    checks: OwnChecks = (),
    accept: Sequence[str] = (),
    max_minutes: float | None = None,
    settings: SettingsLike | None = None,
    folder: Place | None = None,
    begin: str = "",
) -> Running[TrainedModel]:
    """Trains a model on examples or raw text, and registers it; nothing is compared.

    Args:
        data: See `DataLike`.
        recipe: As for `run`.
        base: Base model.
        name: Of the resulting model.
        objective: What training learns from: sft, pretrain, dpo …, or the spec of one of your own.
        input: Column(s) of the request.
        output: Column(s) of the answer.
        system_prompt: Instruction that is trained with.
        checks: Checks of your own, beside postgrad's.
        accept: Checks whose errors do not stop it.
        max_minutes: About how long the whole may take.
        settings: See `SettingsLike`.
        folder: Of this run: checkpoints, steps, control file.
        begin: `resume` refuses to begin anew, `fresh` throws away what an earlier run kept; "" goes on if it can.

    Raises:
        PostgradError: with one clear message; the same call goes on where it stopped.
    """
    if begin not in ("", "resume", "fresh"):
        raise UsageError(f"begin={begin!r} is not known.", 'Give "resume", "fresh", or nothing.')
    own = given_of(checks=checks, objective=objective)
    changes = {"base": base, "name": name, "training.objective": own.objective, "max_minutes": max_minutes}
    with in_call(own.given):
        chosen = recipe_of(recipe, settings, {**changes, **data_changes(input, output, system_prompt, accept)})
    paths, place = sources(data), None if folder is None else Path(folder)
    return Running(lambda stopped: training.train_only(chosen, paths, place, begin, stopped), own.given)


@DoorCall
def evaluate(
    data: DataLike,
    models: str | Sequence[str] = (),
    *,
    arms: OwnArms | None = None,
    remotes: Sequence[str] = (),
    remote_key_env: str | None = None,
    input: str | Sequence[str] | None = None,
    output: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
    docs: Place | None = None,
    metric: OwnMetric | None = None,
    checks: OwnChecks = (),
    accept: Sequence[str] = (),
    general: bool = False,
    settings: SettingsLike | None = None,
    out: Place | None = None,
) -> Running[Report]:
    """Measures registered, base and remote models on the same examples, and compares them. Nothing is trained.

    Args:
        data: Examples with their right answers; all of them are test examples.
        models: Registered models (NAME, NAME@VERSION, NAME@ALIAS, each with +rag) or base models.
        arms: Arms of base models: base, prompted, rag, and functions of your own.
        remotes: URL#MODEL of OpenAI-compatible servers.
        remote_key_env: Environment variable with their key.
        input: Column(s) of the request.
        output: Column(s) of the answer.
        system_prompt: Instruction of prompted base and remote models.
        docs: Folder of documents for the base models' arm rag.
        metric: Primary metric: a name with options, or a function of your own.
        checks: Checks of your own, beside postgrad's.
        accept: Checks whose errors do not stop it.
        general: Measure general benchmarks too.
        settings: See `SettingsLike`.
        out: Folder for `report.json`, `report.html` and `results.jsonl`; named after the data when None.

    Raises:
        PostgradError: with one clear message.
    """
    own = given_of(metric, checks, arms)
    changes = {"evaluation.metric": own.metric, "evaluation.docs": None if docs is None else str(docs)}
    chosen = recipe_of(None, settings, {**changes, **data_changes(input, output, system_prompt, accept)})
    names = [models] if isinstance(models, str) else list(models)
    far = remote_models(remotes, remote_key_env, None, None)
    paths = sources(data)
    folder = folder_of(out, paths, "evaluation")
    request = EvaluateRequest(chosen, paths, names, own.arms, far, general)
    return Running(lambda stopped: _report(evaluating.evaluate(request, folder, stopped), folder), own.given)


@DoorCall
def compare(
    a: Place,
    b: Place,
    data: DataLike = None,
    *,
    arms: Sequence[str] = (),
    metric: OwnMetric | None = None,
    margin: float = 0.02,
    settings: SettingsLike | None = None,
    out: Place = "comparison",
) -> Running[CompareReport]:
    """Two reports' folders, or two models on the same examples: whether B is better than A, and where they differ.

    Args:
        a: The baseline: a report's folder, or a model.
        b: The candidate.
        data: For two models: examples to compare them on.
        arms: For two reports: the arm to compare, or that of A and of B.
        metric: Score both sides' answers with this metric.
        margin: Tolerated loss, as a share.
        settings: For two models; see `SettingsLike`.
        out: Folder for `compare.json` and `compare.html`.

    Raises:
        PostgradError: with one clear message.
    """
    spelled, _, _, given = given_of(metric)
    left, right = str(a), str(b)
    if kind_of(left, right) == "runs":
        if data is not None or settings:
            raise UsageError("data and settings are for two models; these are two reports.", "Leave them out.")
        return Running(lambda _: compare_runs(left, right, Path(out), arms=arms, metric=spelled, margin=margin), given)
    if data is None or arms:
        raise UsageError(
            f"{left!r} and {right!r} are no report folders, so they are treated as models: give data, no arms.",
            "Give data=…, or give two folders with report.json and results.jsonl.",
        )
    chosen = recipe_of(None, settings, {"evaluation.metric": spelled})
    paths = sources(data)
    return Running(
        lambda stopped: compare_models(chosen, left, right, paths, Path(out), margin=margin, stopped=stopped), given
    )


def _report(work: Working[run_report.Report], folder: Path) -> Working[Report]:
    report = yield from work
    return Report.of(report, folder)
