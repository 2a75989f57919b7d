"""`postgrad train`: one training, from examples or raw text to a registered model."""

from __future__ import annotations

import json as jsonlib
import os
from dataclasses import asdict
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
    read_text,
    reading,
    strings,
    training_settings,
)
from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.objectives import choices, spec_of
from postgrad.progress import Event
from postgrad.training_run import Step


def command(
    data: Annotated[
        list[Path],
        typer.Argument(help="Training data, as the objective requires; for pretrain text files or folders."),
    ],
    objective: Annotated[
        str | None,
        typer.Option(help=f"Training objective: {choices()}."),
    ] = None,
    method: Annotated[str | None, typer.Option(help="lora, qlora, dora or full.")] = None,
    base: Annotated[
        str | None, typer.Option(help="Base model: a known name, hub id, folder, GGUF file or ollama:NAME; auto.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the resulting model.")] = None,
    validation: Annotated[list[Path] | None, typer.Option(help="Validation file (may be repeated).")] = None,
    test: Annotated[
        list[Path] | None,
        typer.Option(help="File of test examples; similar ones are not trained on (may be repeated)."),
    ] = None,
    input: Input = None,
    output: Output = None,
    thread: Thread = None,
    speaker: Speaker = None,
    assistant: Assistant = None,
    include: Annotated[
        list[str] | None,
        typer.Option(help="For pretrain: files of a folder to take, such as '*.py'; repeatable."),
    ] = None,
    system_prompt: Annotated[str | None, typer.Option(help="Instruction before every request, or @file.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="Recipe file (YAML or TOML); options override it.")] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Any setting of the recipe's training section: rank=32, schedule=linear …; of another"
            " one with its name: evaluation.judge=MODEL.",
        ),
    ] = None,
    max_minutes: Annotated[float | None, typer.Option(help="Target for the whole training.")] = None,
    max_records: Annotated[int | None, typer.Option(help="Use at most this many records.")] = None,
    accept: Annotated[str | None, typer.Option(help="Checks whose errors are accepted.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Folder of this run: checkpoints, steps, control file.")] = None,
    resume: Annotated[bool, typer.Option(help="Resume an earlier run; an error if there is none.")] = False,
    fresh: Annotated[bool, typer.Option(help="Start over even if an earlier run could be resumed.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print each step, then the result, as a JSON line on stdout.")
    ] = False,
) -> None:
    """Train and register; without --fresh the same command resumes an earlier run."""
    from postgrad.recipe import Recipe, load_recipe, merged
    from postgrad.workflows.train import train_only

    if resume and fresh:
        raise UsageError("--resume and --fresh contradict each other.", "Give one of them.")
    changes: JsonObject = {
        "base": base,
        "name": name,
        "seed": seed,
        "max_minutes": max_minutes,
        **reading(input, output, thread, speaker, assistant),
        "data.include": include,
        "data.system_prompt": read_text(system_prompt),
        "data.accept": listed(accept),
        "data.max_records": max_records,
        "data.validation_files": strings(validation),
        "data.test_files": strings(test),
        "training.objective": objective,
        "training.method": method,
        **training_settings(set or []),
    }
    chosen = merged(load_recipe(recipe) if recipe else Recipe(), changes)

    follows = os.environ.get("RANK", "0") != "0"  # one of several processes that torchrun started: the first one speaks

    def heard(event: Event) -> None:
        if json and not follows and isinstance(event, Step):
            out(jsonlib.dumps({"type": "step", **asdict(event)}))

    with StopSign().watching() as stop:
        begin = "resume" if resume else "fresh" if fresh else ""
        made = show(train_only(chosen, data, folder, begin, stop), stop, quiet=json or follows, heard=heard)
    if made.entry is None:
        return
    entry, part = made.entry, made.result.part
    if json:
        out(jsonlib.dumps({"type": "result", "model": entry.id, "blob": entry.blob, "training": part.model_dump()}))
        return
    out(f"\n{part.in_words}")
    out(f"{part.tokens_per_second:.0f} tokens/s, peak memory {part.peak_memory_bytes / 1e9:.1f} GB.")
    use = f"postgrad chat {entry.id}   postgrad serve"
    if spec_of(part.objective).makes == "rewards":
        use = f"postgrad train DATA --objective ppo --set grader=reward:{entry.id}"
    out(f"Model:  {entry.id}   {use}")
