"""`postgrad augment`: more training examples from the ones there are."""

from __future__ import annotations

import json as jsonlib
import shlex
from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import StopSign, out, show
from postgrad.cli.support.options import Assistant, Input, Output, Speaker, Thread, listed, price_given, reading
from postgrad.errors import UsageError


def command(
    out_file: Annotated[Path, typer.Option("--out", help="JSONL file for the generated records.")],
    data: Annotated[list[Path] | None, typer.Argument(help="Files of examples, as for postgrad run.")] = None,
    method: Annotated[
        str | None, typer.Option(help="noise (the default), paraphrase, examples or preferences.")
    ] = None,
    from_docs: Annotated[
        Path | None, typer.Option(help="Without data: questions and answers from this folder of documents.")
    ] = None,
    from_task: Annotated[
        str | None, typer.Option(help="Without data: first examples of the task that this sentence describes.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option(help="With --from-task: the only answers allowed, separated by commas.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="With --from-task: how many examples (50).")] = None,
    teacher: Annotated[
        str | None, typer.Option(help="URL#MODEL of an OpenAI-compatible server, or a local model; not for noise.")
    ] = None,
    key_env: Annotated[str | None, typer.Option(help="Environment variable that holds the teacher's key.")] = None,
    times: Annotated[
        int | None, typer.Option(min=1, help="How many to generate from each training record, or passage (1).")
    ] = None,
    max_usd: Annotated[
        float | None, typer.Option(help="The most that this command may spend; requires --price.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="The most tokens that this command may spend.")] = None,
    price: Annotated[str | None, typer.Option(help="USD for a million tokens in,out: 0.15,0.60")] = None,
    input: Input = None,
    output: Output = None,
    thread: Thread = None,
    speaker: Speaker = None,
    assistant: Assistant = None,
    recipe: Annotated[
        Path | None, typer.Option(help="The recipe that you will give to run: its split is respected.")
    ] = None,
    accept: Annotated[str | None, typer.Option(help="Checks whose errors are accepted.")] = None,
    max_records: Annotated[int | None, typer.Option(help="Use at most this many records.")] = None,
    seed: Annotated[int | None, typer.Option(help="Random seed, of the split too.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON on stdout and nothing else.")] = False,
) -> None:
    """Generates records from the training part only, or from documents or a description; keeps the good ones, and
    reports what was rejected and why."""
    from postgrad.models.remote.rules import Budget
    from postgrad.recipe import Recipe, load_recipe, merged
    from postgrad.steps.augmenting.teacher import TeacherWish
    from postgrad.workflows.augment import FromNothing, augment, generate, prefer

    nothing = from_docs is not None or from_task is not None
    _refuse(data, method, nothing, teacher)
    unread = {
        "--labels": labels and from_task is None,
        "--count": count and from_task is None,
        "--times": times and (from_task is not None or method == "preferences"),
        "--from-docs": from_docs is not None and from_task is not None,
    }
    if option := next((name for name, given in unread.items() if given), None):
        mend = "Leave it out; `postgrad augment --help` says what goes with what."
        raise UsageError(f"{option} is not read here.", mend)

    changes = {
        **reading(input, output, thread, speaker, assistant),
        "data.accept": listed(accept),
        "data.max_records": max_records,
        "seed": seed,
    }
    chosen = merged(load_recipe(recipe) if recipe else Recipe(), changes)
    budget = Budget(max_tokens, max_usd, price_given(price))
    with StopSign().watching() as stop:
        asked = TeacherWish(teacher, key_env, budget) if teacher is not None else None
        if nothing and asked is not None:
            wish = FromNothing(from_docs, from_task or "", count or 50, times or 1, tuple(listed(labels) or ()))
            work = generate(chosen, wish, out_file, asked, stop)
        elif method == "preferences" and asked is not None:
            work = prefer(chosen, data or [], out_file, asked, stop)
        else:
            work = augment(chosen, data or [], out_file, method or "noise", times or 1, asked, stop)
        made = show(work, stop, quiet=json)
    reasons = made.augmented.reasons
    if json:
        outcome = {
            "kept": len(made.augmented.kept),
            "refused": reasons,
            "originals": made.originals,
            "out": str(made.out),
            "aside": str(made.aside) if made.aside else None,
            "judge": made.judge,
            "spent": made.spent,
        }
        out(jsonlib.dumps(outcome))
        return
    _print(made, reasons, data or [], method)


def _refuse(data: list[Path] | None, method: str | None, nothing: bool, teacher: str | None) -> None:
    """Refuses what cannot be made without data or a teacher, and two wishes at once."""
    if nothing and (data or method):
        raise UsageError(
            "--from-docs and --from-task make examples without data.", "Leave DATA and --method out, or these options."
        )
    if not nothing and not data:
        raise UsageError("There is no data.", "Name files; or make examples: --from-docs FOLDER, --from-task TEXT")
    if teacher is None and (nothing or method == "preferences"):
        raise UsageError("This needs a teacher.", "Name one: --teacher URL#MODEL, or a local model.")


def _print(made, reasons: dict[str, int], data: list[Path], method: str | None) -> None:
    kept = made.augmented.kept
    out(f"\n{len(kept)} records generated from {made.originals} were kept, {sum(reasons.values())} rejected.")
    for reason, count in reasons.items():
        example = next(r.why for r in made.augmented.refused if r.reason == reason)
        out(f"  {count:>5}  {reason}: {example}")
    if made.spent is not None:
        usd = "" if made.spent["usd"] is None else f", {made.spent['usd']:.4f} USD"
        tokens = made.spent["prompt_tokens"] + made.spent["completion_tokens"]
        out(f"Spent: {made.spent['asked']} answers, {tokens:,} tokens{usd}; {made.spent['kept']} were cached.")
    if kept:
        out("\nLook at these first:")
    for proposal in made.augmented.doubtful(10):
        text = " ".join(proposal.record.prompt_text.split())
        out(f"  {proposal.record.source} ({proposal.why}) {text[:110]!r} → {proposal.record.answer_text[:40]!r}")
    out(f"\nKept:    {made.out}")
    if made.aside is not None:
        out(f"Refused: {made.aside}")
    if kept:
        files = shlex.join([*map(str, data), str(made.out)])
        preferred = f"train {made.out} --objective dpo"
        out(f"Next:    postgrad {preferred if method == 'preferences' else f'run {files}'}")
