"""`postgrad check`: every fault in the data, without importing torch."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.door import out
from postgrad.cli.options import listed
from postgrad.errors import GateError


def command(
    data: Annotated[list[Path], typer.Argument(help="CSV, JSON or JSONL files.")],
    base: Annotated[str | None, typer.Option(help="Count tokens as this model does.")] = None,
    input: Annotated[str | None, typer.Option("--input", help="Column(s) of the request.")] = None,
    output: Annotated[str | None, typer.Option("--output", help="Column(s) of the answer.")] = None,
    accept: Annotated[str | None, typer.Option(help="Checks whose errors are accepted.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON on stdout and nothing else.")
    ] = False,
) -> None:
    """Reads the data, says how it was understood, and lists the findings; exit code 1 if one is an error."""
    from postgrad.checks import run_checks
    from postgrad.data.load import load
    from postgrad.findings import Context

    loaded = load(data, input_column=listed(input), output_column=listed(output))
    context = Context()
    if base is not None:
        from postgrad.models.render import load_renderer
        from postgrad.models.sources import find_model

        model = find_model(base)
        renderer = load_renderer(model.folder, model.context)
        context = Context(renderer.count, model.context)
    checked = run_checks(loaded.records, context, accept=listed(accept) or [])
    if json:
        findings = [
            {"check": f.check, "severity": f.severity, "count": f.count, "sentence": f.sentence, "examples": [[checked.records[i].source.file, checked.records[i].source.line] for i in f.indices[:20]], "evidence": list(f.evidence[:20]), "details": f.details}
            for f in checked.findings
        ]  # fmt: skip
        out(
            jsonlib.dumps(
                {
                    "read": checked.read,
                    "kept": len(checked.kept),
                    "shape": loaded.shape,
                    "explanation": loaded.explanation,
                    "notes": list(loaded.notes),
                    "findings": findings,
                },
                ensure_ascii=False,
            )
        )
    else:
        _print(loaded, checked)
    if errors := checked.errors(listed(accept) or []):
        raise GateError(
            f"{len(errors)} of the findings are errors: {', '.join(f.check for f in errors)}.",
            "Mend the data, or accept them by name with --accept.",
        )


def _print(loaded, checked) -> None:
    out(loaded.explanation)
    for note in loaded.notes:
        out(f"! {note}")
    out(f"\n{checked.read} records read, {len(checked.kept)} kept, {len(checked.dropped)} taken out by safe repairs.\n")
    signs = {"error": "✗", "warning": "!", "info": "·"}
    for finding in checked.findings:
        out(f"{signs[finding.severity]} {finding.check}: {finding.sentence}")
        for index, evidence in list(zip(finding.indices, finding.evidence or [""] * finding.count, strict=False))[:3]:
            out(f"    {checked.records[index].source}  {evidence[:140]}")
    worst = checked.worst(3)
    if worst:
        out("\nLook at these first:")
        for finding, record, evidence in worst:
            text = " ".join(record.prompt_text.split())
            out(f"  {record.source} ({finding.check}) {text[:110]!r} {evidence[:80]}")
