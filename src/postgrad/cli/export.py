"""`postgrad export`: a trained model in the format of another engine."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import Annotated

import typer

from postgrad.cli.support.door import StopSign, out, show


def command(
    model: Annotated[str, typer.Argument(help="A registered model: NAME, NAME@VERSION or NAME@ALIAS.")],
    to: Annotated[str, typer.Option(help="peft, safetensors, gguf, ollama, mlx, openvino, ctranslate2 or onnx.")],
    quantize: Annotated[
        str | None,
        typer.Option(
            help="Precision: float32, bfloat16, float16 (safetensors); F16, BF16, Q8_0, Q4_0 … (gguf, ollama)."
        ),
    ] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Folder; by default named after model and format.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(help="gguf, ollama: examples that say what the precision costs; required by --quantize auto."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over what is in the folder.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Writes a model so that another engine answers as it was trained; refused where the parity gate finds that it does
    not."""
    from postgrad.workflows.export import export

    with StopSign().watching() as stop:
        report = show(export(model, to, out_folder, quantize, force, data or (), stop), stop, quiet=json)
    if json:
        out(jsonlib.dumps(report.to_dict()))
        return
    out(f"\n{report.model} as {report.format} ({report.precision}, {report.bytes / 1e6:,.0f} MB): {report.place}")
    if report.cost:
        out(f"  On the task: {report.cost}")
    for engine, how in report.start.items():
        out(f"  {engine}: {how.splitlines()[0] if len(how.splitlines()) == 1 else 'see README.md'}")
