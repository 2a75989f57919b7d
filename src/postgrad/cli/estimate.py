"""`postgrad estimate`: tokens, memory, time and money before anything is spent, without importing torch."""

from __future__ import annotations

import json as jsonlib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import typer

from postgrad.cli.door import errors, out
from postgrad.cli.options import listed


def command(
    data: Annotated[list[Path], typer.Argument(help="CSV, JSON or JSONL files.")],
    base: Annotated[str | None, typer.Option(help="Base model.")] = None,
    input: Annotated[str | None, typer.Option("--input", help="Column(s) of the request.")] = None,
    output: Annotated[str | None, typer.Option("--output", help="Column(s) of the answer.")] = None,
    epochs: Annotated[float, typer.Option(help="Passes over the training data.")] = 3.0,
    rank: Annotated[int, typer.Option(help="Rank of the adapters.")] = 16,
    price_per_hour: Annotated[float | None, typer.Option(help="What an hour of this machine costs, in USD.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """What training on this data would take on this machine."""
    from postgrad.data.load import load
    from postgrad.models.render import load_renderer
    from postgrad.models.sources import EMBEDDED, find_model
    from postgrad.records import Conversation

    loaded = load(data, input_column=listed(input), output_column=listed(output))
    model = find_model(base or EMBEDDED, lambda text: errors.print(text, markup=False))
    renderer = load_renderer(model.folder, model.context)
    rendered = [renderer.render(r) for r in loaded.records if isinstance(r, Conversation) and r.answer_text.strip()]
    lengths = sorted(len(r.ids) for r in rendered)
    figures = estimate(model.config, lengths, sum(r.supervised for r in rendered), epochs, rank, price_per_hour)
    figures["too_long"] = sum(n > model.context for n in lengths)
    if json:
        out(jsonlib.dumps(figures))
        return
    out(loaded.explanation)
    out(
        f"{len(lengths)} examples, {figures['tokens']:,} tokens, of which {figures['supervised_tokens']:,} are learned; longest {lengths[-1]}, middle {lengths[len(lengths) // 2]}."
    )
    if figures["too_long"]:
        out(f"! {figures['too_long']} examples are longer than the model's context of {model.context} tokens.")
    out(
        f"Training, {epochs:g} passes: about {figures['minutes']:.0f} minutes ({figures['rate']}), {figures['memory_bytes'] / 1e9:.1f} GB of memory, {figures['usd']:.2f} USD."
    )
    out(f"{figures['assumption']}")
    if figures["memory_bytes"] > figures["memory_available"]:
        out(
            f"! This machine has {figures['memory_available'] / 1e9:.1f} GB free: lower training.token_budget (now 2048), or use a smaller base."
        )


def estimate(
    config: dict[str, Any], lengths: list[int], supervised: int, epochs: float, rank: int, price_per_hour: float | None
) -> dict[str, Any]:
    """The figures of the command, as JSON."""
    import psutil

    from postgrad.costs import cost_of, machine_price
    from postgrad.recipe import TrainingSection
    from postgrad.storage import home
    from postgrad.training.memory import peak_bytes, training_flops

    facts = tomllib.loads(resources.files("postgrad").joinpath("facts/devices.toml").read_text("utf-8"))
    probe = home() / "device.json"
    known = jsonlib.loads(probe.read_text("utf-8")) if probe.exists() else None
    gflops = known["gflops"][known["dtype"]] if known else facts["cpu"]["gflops"]
    dtype, kind = (known["dtype"], known["kind"]) if known else ("float32", "cpu")
    tokens = sum(lengths)
    seconds = epochs * training_flops(config, tokens, supervised) / (gflops * 1e9 * facts["efficiency"]["training"])
    usual = TrainingSection()
    widest = max(lengths[-1], min(usual.token_budget, usual.batch_size * lengths[-1]))
    price = machine_price(kind, price_per_hour)
    return {
        "examples": len(lengths), "tokens": tokens, "supervised_tokens": supervised, "longest": lengths[-1], "epochs": epochs,
        "minutes": seconds / 60, "memory_bytes": peak_bytes(config, rank=rank, microbatch_tokens=widest, value_bytes=2 if dtype == "bfloat16" else 4),
        "memory_available": psutil.virtual_memory().available, "usd": cost_of(seconds, price), "assumption": price.assumption,
        "rate": f"{gflops:.0f} GFLOP/s in {dtype}, " + ("probed on this machine" if known else "assumed; `postgrad doctor` probes it"),
    }  # fmt: skip
