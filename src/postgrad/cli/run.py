"""`postgrad run`: the main job."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.cli.support.door import StopSign, errors, out, show
from postgrad.cli.support.options import (
    Assistant,
    Input,
    Output,
    Speaker,
    Thread,
    listed,
    read_text,
    reading,
    settings,
    strings,
)
from postgrad.errors import PostgradError
from postgrad.objectives import choices

if TYPE_CHECKING:
    from postgrad.report.run_report import VerdictPart

_LETTERS = 200
"""Of each request and answer that a person sees who is asked what the task is."""


def command(
    data: Annotated[
        list[Path], typer.Argument(help="CSV, JSON or JSONL files of input–output pairs or chat messages.")
    ],
    base: Annotated[
        str | None,
        typer.Option(
            help="Base model: a known name, hub id, folder, GGUF file or ollama:NAME; auto; several, by commas,"
            " are compared."
        ),
    ] = None,
    input: Input = None,
    output: Output = None,
    thread: Thread = None,
    speaker: Speaker = None,
    assistant: Assistant = None,
    system_prompt: Annotated[str | None, typer.Option(help="Instruction for the prompted arms, or @file.")] = None,
    task: Annotated[
        str | None, typer.Option(help='What to do, in a sentence: "Translate to German." For free text.')
    ] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(help="File of your own test examples (may be repeated); by default a part is held out."),
    ] = None,
    validation: Annotated[list[Path] | None, typer.Option(help="File of your own validation examples.")] = None,
    split: Annotated[
        str | None, typer.Option(help="hash, time (the latest are the test part), given (by a column), or auto.")
    ] = None,
    docs: Annotated[Path | None, typer.Option(help="Folder of documents to retrieve from.")] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help=(
                "Primary metric, with options: chrf, numeric(tolerance=0.01), mine.py:score, grader.json. By default"
                " chosen from the data."
            )
        ),
    ] = None,
    objective: Annotated[
        str | None, typer.Option(help=f"What is trained: {choices()}. By default what fits the data.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the resulting model.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="Recipe file (YAML or TOML); options override it.")] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Folder for report.json and report.html.")] = None,
    max_minutes: Annotated[
        float | None, typer.Option(help="Target for the whole run; training is planned to fit.")
    ] = None,
    monthly_queries: Annotated[int | None, typer.Option(help="Expected traffic, for break-even.")] = None,
    monthly_budget: Annotated[
        float | None,
        typer.Option(help="The most that a month's answers may cost, in USD; more expensive arms are not recommended."),
    ] = None,
    price_per_hour: Annotated[float | None, typer.Option(help="Cost of this machine, in USD an hour.")] = None,
    arms: Annotated[str | None, typer.Option(help="Arms to measure, separated by commas.")] = None,
    remote: Annotated[
        list[str] | None,
        typer.Option(help="Model at an OpenAI-compatible address, measured too: URL#MODEL (may be repeated)."),
    ] = None,
    remote_key_env: Annotated[
        str | None, typer.Option(help="Environment variable with the key of remote models.")
    ] = None,
    remote_price: Annotated[
        list[str] | None,
        typer.Option(help="USD for a million tokens in,out, for example 0.15,0.60; one for each --remote."),
    ] = None,
    remote_budget: Annotated[float | None, typer.Option(help="The most to spend on remote models, in USD.")] = None,
    accept: Annotated[str | None, typer.Option(help="Checks whose errors are accepted, separated by commas.")] = None,
    max_records: Annotated[int | None, typer.Option(help="Use at most this many records.")] = None,
    train_anyway: Annotated[
        bool, typer.Option("--train-anyway", help="Train even if training cannot be worth it.")
    ] = False,
    general: Annotated[bool, typer.Option(help="Test forgetting on general benchmarks.")] = True,
    general_data: Annotated[Path | None, typer.Option(help="Folder with local benchmark files.")] = None,
    texts: Annotated[bool, typer.Option(help="Quote data in the report; --no-texts: figures only.")] = True,
    curve: Annotated[
        bool | None,
        typer.Option(help="Train on a quarter and a half of the examples too; by default if it costs a fifth at most."),
    ] = None,
    against: Annotated[
        list[Path] | None, typer.Option(help="File of requests seen in production, to weight the errors.")
    ] = None,
    also_keep: Annotated[
        list[str] | None,
        typer.Option(
            help="File of a task of your own that the model must not lose, FILE or FILE::METRIC (may be repeated)."
        ),
    ] = None,
    must_pass: Annotated[
        list[Path] | None,
        typer.Option(help="File of your own cases that a recommended trained model must get right (may be repeated)."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    set: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting of the recipe: training.rank=32, decision.data_hours=8 …"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON on stdout and nothing else.")] = False,
) -> None:
    """Examples in, verdict out: check, split, measure every arm, train, compare, register, report."""
    from postgrad.decision.learning_curve import SHARES
    from postgrad.recipe import Recipe, load_recipe, merged

    changes = {
        "base": base,
        "name": name,
        "seed": seed,
        "texts": None if texts else False,
        "max_minutes": max_minutes,
        **reading(input, output, thread, speaker, assistant),
        "data.system_prompt": read_text(system_prompt),
        "data.task": task,
        "data.accept": listed(accept),
        "data.max_records": max_records,
        "data.split": split,
        "data.validation_files": strings(validation),
        "data.test_files": strings(test),
        "training.objective": objective,
        "evaluation.docs": str(docs) if docs else None,
        "evaluation.metric": metric,
        "evaluation.arms": listed(arms),
        "evaluation.general": None if general else False,
        "evaluation.general_data": str(general_data) if general_data else None,
        "decision.stop_early": False if train_anyway else None,
        "evaluation.remote": remote or None,
        "evaluation.remote_key_env": remote_key_env,
        "evaluation.remote_price": remote_price or None,
        "evaluation.remote_budget_usd": remote_budget,
        "evaluation.curve": None if curve is None else list(SHARES) if curve else [],
        "evaluation.production": strings(against),
        "evaluation.also_keep": also_keep or None,
        "evaluation.must_pass": strings(must_pass),
        "decision.monthly_queries": monthly_queries,
        "decision.monthly_budget": monthly_budget,
        "decision.price_per_hour": price_per_hour,
        **settings(set or []),
    }
    chosen = merged(load_recipe(recipe) if recipe else Recipe(), changes)
    if not json and (said := asked_task(chosen, data)):
        chosen = merged(chosen, {"data.task": said})
    start(chosen, data, out_folder or Path(f"{data[0].stem}-report"), json)


def asked_task(recipe, paths: Sequence[Path]) -> str:
    """The sentence that a person types; empty where nobody can be asked, nothing need be asked, or they press Enter.

    Nobody is asked in a pipe, under CI (the environment variable), or where the data cannot be read: the job itself
    says why.
    """
    if os.environ.get("CI") or os.environ.get("TERM") == "dumb" or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return ""
    from postgrad.steps.unsaid_task import unsaid

    try:
        shown = unsaid(recipe, paths)
    except PostgradError:
        return ""
    if not shown:
        return ""
    errors.print("The examples do not say what the task is, and no prompted model could know it:")
    for record in shown:
        errors.print(f"  {_short(record.prompt_text)}\n    → {_short(record.answer_text)}", markup=False)
    errors.print('Say it in a sentence ("Translate to German."), or press Enter to go on without:', end=" ")
    return sys.stdin.readline().strip()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LETTERS else line[: _LETTERS - 1] + "…"


def told(verdict: VerdictPart) -> None:
    """The decision in four lines, then in a sentence with all figures."""
    if brief := verdict.brief:
        out(f"\n{brief.headline}")
        out(f"  Use it for: {brief.use_for}\n  Not for:    {brief.not_for}")
        out(f"  Do next:    {brief.do_next}{f'  {brief.command}' if brief.command else ''}")
    out(f"\n{verdict.sentence}")


def start(recipe, paths: list[Path], folder: Path, json: bool) -> None:
    """Runs the main job with its display; prints the outcome."""
    from postgrad.steps.base_files import bases_of
    from postgrad.workflows.run import run
    from postgrad.workflows.run_bases import run_bases

    work = run_bases if len(bases_of(recipe.base)) > 1 else run
    with StopSign().watching() as stop:
        report = show(work(recipe, paths, folder, stop), stop, quiet=json)
    if json:
        out(report.model_dump_json())
        return
    told(report.verdict)
    for place, step in enumerate(report.verdict.next_steps, 1):
        out(f"{'Next: ' if place == 1 else '      '}{place}. {step.step}: {step.gain}")
    out(f"Report: {folder / 'report.html'}")
    if report.model:
        name = f"{report.model.name}@{report.model.version}"
        out(f"Model:  {name}   postgrad chat {name}   postgrad serve   postgrad export {name} --to gguf")
