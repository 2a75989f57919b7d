"""`postgrad bases`: open base models by what this machine, or a GPU, can do with them; and what is known of one."""

from __future__ import annotations

import json as jsonlib
import re
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.cli.support.door import out
from postgrad.errors import UsageError
from postgrad.json_types import JsonObject
from postgrad.thinking import SUFFIX

if TYPE_CHECKING:
    from postgrad.steps.base_choice import Fit, Machine

GPU_SHARE = 0.92
"""Of a GPU's memory, what a process gets."""


def command(
    name: Annotated[str | None, typer.Argument(help="One base, or a part of its id: everything known of it.")] = None,
    gpu: Annotated[str | None, typer.Option("--gpu", help="Memory of a GPU instead of this machine: 24GB.")] = None,
    free: Annotated[bool, typer.Option("--free", help="Only those that anybody may use for anything.")] = False,
    language: Annotated[str | None, typer.Option(help="Only those made for this language: de.")] = None,
    fitting: Annotated[bool, typer.Option("--fitting", help="Only those that can be trained here.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Lists open base models: size, memory, licence, context; any of them goes to --base."""
    from postgrad.models.open_bases import open_base
    from postgrad.steps.base_choice import fit_of, fits_of, this_machine

    machine = this_machine()
    if gpu is not None:
        machine = replace(machine, room=int(GPU_SHARE * _bytes(gpu)), dtype="bfloat16", flops=None)
    if name is not None:
        fit = fit_of(open_base(name), machine)
        out(jsonlib.dumps(_figures(fit)) if json else "\n".join(_lines(fit, machine)))
        return
    fits = [fit for fit in fits_of(machine) if fit.trainable or not fitting]
    fits = [fit for fit in fits if (fit.base.free or not free) and (language is None or language in fit.base.languages)]
    if json:
        out(jsonlib.dumps([_figures(fit) for fit in fits]))
        return
    out(_table(fits))
    told = "a GPU of that size" if gpu else "this machine"
    speed = "as `postgrad doctor` measured it" if machine.measured else "assumed: `postgrad doctor` measures it"
    timed = f" Time: one pass of LoRA over 1,000 examples of 300 tokens; speed {speed}." if machine.flops else ""
    out(
        f"\nFits: the most that {told} has memory for ({machine.room / 1e9:.1f} GB, {machine.dtype}); GB: what LoRA"
        f" takes (QLoRA where only that fits).{timed}\n* with conditions, ~ not for business, ! asks for an account"
        " first: `postgrad bases NAME` says more. --base takes these, any other hub id, a folder, a GGUF file,"
        " ollama:NAME, and auto."
    )


def _bytes(text: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(GB|GiB|G)?\s*", text, re.IGNORECASE)
    if found is None:
        raise UsageError(f"--gpu {text!r} is not a size of memory.", "Give it in gigabytes: --gpu 24GB.")
    return float(found[1]) * (2**30 if (found[2] or "").lower() == "gib" else 1e9)


def _table(fits: list[Fit]) -> str:
    rows = [("Base", "Parameters", "Fits", "GB", "Time", "Context", "Licence")]
    for fit in fits:
        base = fit.base
        active = f", {_count(base.active)} active" if base.active < 0.9 * base.parameters else ""
        mark = {"yes": "", "conditions": "*", "no": "~"}[base.commercial] + ("!" if base.gated else "")
        rows.append(
            (
                base.id,
                f"{_count(base.parameters)}{active}",
                {"": "no", "serve": "serving"}.get(fit.best, fit.best),
                f"{fit.needs['qlora' if fit.best == 'qlora' else 'lora'] / 1e9:.1f}",
                _time(fit.seconds),
                f"{base.context // 1024}k",
                f"{base.licence}{mark}",
            )
        )
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _count(parameters: int) -> str:
    return f"{parameters / 1e9:.1f} B" if parameters >= 999.5e6 else f"{parameters / 1e6:.0f} M"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{max(1, round(seconds / 60))} min"


def _figures(fit: Fit) -> JsonObject:
    base = {key: value for key, value in asdict(fit.base).items() if key != "config"}
    return {**base, "bytes": dict(fit.needs), "fits": list(fit.ways), "seconds": fit.seconds}


def _lines(fit: Fit, machine: Machine) -> list[str]:
    """Everything known of one base."""
    base = fit.base
    active = f", of which a token uses {_count(base.active)}" if base.active < 0.9 * base.parameters else ""
    needs = ", ".join(
        f"{way} {size / 1e9:.1f}{'' if way in fit.ways else ' (too much)'}" for way, size in fit.needs.items()
    )
    named = f"(--base {base.id}{SUFFIX})"
    thinking = {"none": "does not think", "always": f"thinks first {named}", "switch": f"thinks if told to {named}"}[
        base.thinking
    ]
    lines = [
        f"{base.id}: {base.good_for}" if base.good_for else base.id,
        f"  {_count(base.parameters)} parameters{active}; context {base.context:,} tokens"
        + ("; sees images" if base.vision else ""),
        f"  GB in {machine.dtype}, of {machine.room / 1e9:.1f}: {needs}",
        f"  Time  {_time(fit.seconds)} for one pass of LoRA over 1,000 examples of 300 tokens" if fit.seconds else "",
        f"  Licence  {base.licence}. {base.conditions}".rstrip(),
        "  The hub asks for an account's consent first (HF_TOKEN)." if base.gated else "",
        f"  Languages  {', '.join(base.languages)}{f' ({base.languages_note})' if base.languages_note else ''}",
        f"  Template  {'' if base.tools else 'no '}tools, {'' if base.system_role else 'no '}system role; {thinking}",
        f"  Beware  {base.traps}" if base.traps else "",
        f"  As of {base.date}; look at {base.source} before you rest a decision on it",
        f"  Doubtful: {', '.join(base.unsure)}" if base.unsure else "",
    ]
    return [line for line in lines if line]
