"""`postgrad compare`: two reports, or two models on the same examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import StopSign, out, show
from postgrad.cli.support.options import Assistant, Input, Output, Speaker, Thread, listed, read_text, reading, settings
from postgrad.errors import GateError, UsageError


def command(
    a: Annotated[str, typer.Argument(help="The baseline: a report's folder, or a model.")],
    b: Annotated[str, typer.Argument(help="The candidate: a report's folder, or a model.")],
    data: Annotated[
        list[Path] | None, typer.Option(help="For two models: examples to compare them on (may be repeated).")
    ] = None,
    arm: Annotated[
        str | None,
        typer.Option(help="For two reports: the arm to compare, or that of A and of B (few_shot,fine_tuned)."),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Score both sides' answers with this metric.")] = None,
    margin: Annotated[float, typer.Option(min=0.0, max=1.0, help="Tolerated loss, as a share.")] = 0.02,
    gate: Annotated[bool, typer.Option(help="Exit 1 unless a loss of the margin or more is excluded.")] = False,
    system_prompt: Annotated[str | None, typer.Option(help="For base models: instruction, or @file.")] = None,
    input: Input = None,
    output: Output = None,
    thread: Thread = None,
    speaker: Speaker = None,
    assistant: Assistant = None,
    accept: Annotated[str | None, typer.Option(help="Checks whose errors are accepted, separated by commas.")] = None,
    set: Annotated[list[str] | None, typer.Option("--set", help="Any setting of the recipe, for two models.")] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Folder for compare.json and compare.html.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the comparison as JSON on stdout and nothing else.")
    ] = False,
) -> None:
    """Says whether B is better than A, example by example, where they differ, and what changed between them."""
    from postgrad.recipe import Recipe, merged
    from postgrad.workflows.compare import compare_runs, kind_of

    folder = out_folder or Path("comparison")
    if kind_of(a, b) == "runs":
        if data:
            raise UsageError("--data is for two models; these are two reports.", "Leave --data out.")
        work = compare_runs(a, b, folder, arms=listed(arm) or [], metric=metric, margin=margin)
        report = show(work, quiet=json)
    else:
        if not data:
            raise UsageError(
                f"{a!r} and {b!r} are no report folders, so they are treated as models, which require examples.",
                "Give examples: --data FILE. Or give two folders with report.json and results.jsonl.",
            )
        if arm:
            raise UsageError("--arm is for two reports; these are two models.", "Leave --arm out.")
        from postgrad.workflows.compare_models import compare_models

        recipe = merged(
            Recipe(),
            {
                **reading(input, output, thread, speaker, assistant),
                "data.accept": listed(accept),
                "data.system_prompt": read_text(system_prompt),
                "evaluation.metric": metric,
                **settings(set or []),
            },
        )
        with StopSign().watching() as stop:
            report = show(compare_models(recipe, a, b, data, folder, margin=margin, stopped=stop), stop, quiet=json)
    if json:
        out(report.model_dump_json())
    else:
        out(f"\n{report.sentence}")
        if report.changes:
            names = [f"{c.kind}: {c.name}" for c in report.changes]
            shown = ", ".join(names[:6])
            out(f"Changed: {shown}{f' and {len(names) - 6} more' if len(names) > 6 else ''}")
        out(f"Page: {folder / 'compare.html'}")
    if gate and not report.passed:
        raise GateError(
            f"The gate failed: a loss of {100 * margin:g} points or more by {report.b.name} is not excluded.",
            "See the page for the examples that became worse, or raise --margin.",
        )
