"""`postgrad evaluate`: existing models, on examples that are all test examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import StopSign, out, show
from postgrad.cli.support.options import (
    Assistant,
    Input,
    Output,
    Speaker,
    Thread,
    listed,
    price_given,
    read_text,
    reading,
    remote_models,
    settings,
)
from postgrad.errors import UsageError


def command(
    data: Annotated[
        list[Path], typer.Argument(help="Examples with their right answers, all of them used as test examples.")
    ],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help=(
                "A registered model (NAME, NAME@VERSION, NAME@ALIAS, each with +rag) or a base model; may be repeated."
            )
        ),
    ] = None,
    arms: Annotated[
        str | None, typer.Option(help="Arms of base models: base, prompted, rag, separated by commas.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(help="Primary metric, with options; by default chosen from the data.")
    ] = None,
    general: Annotated[bool, typer.Option(help="Measure general benchmarks as well.")] = False,
    also_keep: Annotated[
        list[str] | None,
        typer.Option(
            help="File of a task of your own that the model must not lose, FILE or FILE::METRIC (may be repeated)."
        ),
    ] = None,
    general_data: Annotated[Path | None, typer.Option(help="Folder with local benchmark files.")] = None,
    system_prompt: Annotated[
        str | None, typer.Option(help="Instruction of prompted base and remote models, or @file.")
    ] = None,
    docs: Annotated[Path | None, typer.Option(help="Folder of documents for the base models' arm rag.")] = None,
    remote: Annotated[
        list[str] | None, typer.Option(help="URL#MODEL of an OpenAI-compatible server; may be repeated.")
    ] = None,
    key_env: Annotated[str | None, typer.Option(help="Environment variable with the remote models' key.")] = None,
    price: Annotated[
        str | None, typer.Option(help="Price of the remote models, USD for a million tokens in,out: 0.15,0.60")
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option(help="The most that each remote model may cost; requires --price.")
    ] = None,
    input: Input = None,
    output: Output = None,
    thread: Thread = None,
    speaker: Speaker = None,
    assistant: Assistant = None,
    accept: Annotated[str | None, typer.Option(help="Checks whose errors are accepted, separated by commas.")] = None,
    max_records: Annotated[int | None, typer.Option(help="Use at most this many records.")] = None,
    price_per_hour: Annotated[float | None, typer.Option(help="Cost of this machine, in USD an hour.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    set: Annotated[
        list[str] | None,
        typer.Option("--set", help="Any setting of the recipe: decision.smallest_worth=0.05, data.group=customer …"),
    ] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder for report.json, report.html and results.jsonl.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON on stdout and nothing else.")] = False,
) -> None:
    """Measures registered, base and remote models on the same examples, and compares them. Nothing is trained.

    A trained model is prompted as it was trained: with its own instruction and documents.
    """
    from postgrad.recipe import Recipe, merged
    from postgrad.workflows.evaluate import EvaluateRequest, evaluate

    if not model and not remote:
        raise UsageError(
            "No model is given.", "Name one or more: --model NAME (`postgrad models list`), or --remote URL#MODEL."
        )
    recipe = merged(
        Recipe(),
        {
            **reading(input, output, thread, speaker, assistant),
            "data.accept": listed(accept),
            "data.max_records": max_records,
            "data.system_prompt": read_text(system_prompt),
            "seed": seed,
            "evaluation.metric": metric,
            "evaluation.also_keep": also_keep or None,
            "evaluation.docs": str(docs) if docs else None,
            "evaluation.general_data": str(general_data) if general_data else None,
            "decision.price_per_hour": price_per_hour,
            **settings(set or []),
        },
    )
    remotes = remote_models(remote or [], key_env, price_given(price), max_usd)
    folder = out_folder or Path(f"{data[0].stem}-evaluation")
    request = EvaluateRequest(recipe, data, model or [], listed(arms), remotes, general)
    with StopSign().watching() as stop:
        report = show(evaluate(request, folder, stop), stop, quiet=json)
    if json:
        out(report.model_dump_json())
        return
    out(f"\n{report.verdict.sentence}")
    out(f"Report: {folder / 'report.html'}   Answers: {folder / 'results.jsonl'}")
