"""`postgrad doctor`: what this machine can do, what is missing, and the command that fixes it."""

from __future__ import annotations

import importlib.metadata
import json as jsonlib
import os
import platform
import shutil
from dataclasses import asdict
from typing import Annotated

import typer

from postgrad.cli.support.door import out
from postgrad.json_types import JsonObject


def command(
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Probes precision, cores, memory, disk, GPU, hub, sandbox and packages."""
    from postgrad.storage import home, write_atomic

    facts = look()
    if facts["device"]:
        write_atomic(home() / "device.json", jsonlib.dumps(facts["device"]))
    if json:
        out(jsonlib.dumps(facts))
        return
    out(f"Python   {facts['python']}   postgrad {facts['postgrad']}   torch {facts['torch']}")
    out(
        f"Machine  {facts['cores']} cores, {facts['memory_gb']:.1f} GB memory ({facts['memory_free_gb']:.1f} free),"
        f" {facts['disk_free_gb']:.1f} GB disk free at {facts['home']}"
    )
    if facts["device"]:
        rates = ", ".join(f"{name} {rate:.0f} GFLOP/s" for name, rate in facts["device"]["gflops"].items())
        out(f"Device   {facts['device']['name']}: {rates}; computes in {facts['device']['dtype']}")
    out(f"GPU      {facts['gpu']}")
    hub = "reachable" if facts["hub"] else "not reachable: the embedded model, folders and GGUF files work without it"
    out(f"Hub      {hub}")
    out(f"Bases    {facts['bases']}")
    out(f"Sandbox  {facts['sandbox']}")
    out(f"Battery  {facts['battery']}")
    for problem, mend in facts["missing"]:
        out(f"✗ {problem}\n  fix: {mend}")
    if not facts["missing"]:
        out("✓ Nothing is missing. `postgrad demo` shows the main job.")


def look() -> JsonObject:
    """The facts, JSON-safe."""
    import psutil

    from postgrad.steps.base_choice import fetches
    from postgrad.storage import home
    from postgrad.version import __version__

    folder = home()
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    missing: list[tuple[str, str]] = []
    device: JsonObject | None = None
    gpu = "none found"
    try:
        from postgrad.models.device import probe

        found = probe()
        device = asdict(found)
        gpu = found.name if found.kind == "cuda" else "none found (not needed; training and serving run on the CPU)"
    except ImportError as error:
        missing.append((f"torch cannot be imported: {error}", "make setup   (or: pip install torch)"))
    if not os.access(existing, os.W_OK):
        missing.append((f"No permission to write to {existing}", "export POSTGRAD_HOME=/a/folder/of/yours"))
    disk = shutil.disk_usage(existing).free / 1e9
    if disk < 2:
        missing.append(
            (
                f"Only {disk:.1f} GB of disk are free at {existing}; a model needs about 1.5",
                "free some space, or set POSTGRAD_HOME",
            )
        )
    memory = psutil.virtual_memory()
    if memory.available < 4e9:
        missing.append(
            (
                f"Only {memory.available / 1e9:.1f} GB of memory are free; training the embedded model takes about 4",
                "close other programs, or lower training.token_budget",
            )
        )
    return {
        "python": platform.python_version(),
        "postgrad": __version__,
        "torch": _version("torch"),
        "transformers": _version("transformers"),
        "cores": os.cpu_count(),
        "memory_gb": memory.total / 1e9,
        "memory_free_gb": memory.available / 1e9,
        "disk_free_gb": disk,
        "home": str(folder),
        "device": device,
        "gpu": gpu,
        "hub": fetches(),
        "bases": _bases(device),
        "sandbox": _sandbox(),
        "battery": _battery(),
        "missing": missing,
    }


def _bases(device: JsonObject | None) -> str:
    """How many of the known open bases can be trained here."""
    from postgrad.steps.base_choice import fits_of, this_machine
    from postgrad.steps.known_device import KnownDevice

    fits = fits_of(this_machine(KnownDevice.of(device)))
    trained = [fit for fit in fits if fit.trainable]
    largest = f", up to {trained[-1].base.id}" if trained else ""
    return f"{len(trained)} of {len(fits)} known open bases can be trained here{largest}: postgrad bases, --base auto"


def _sandbox() -> str:
    """What programs that a model wrote would run in."""
    from postgrad.errors import UsageError
    from postgrad.sandbox.run import find_sandbox

    try:
        return f"{find_sandbox().name}: answers that are programs can be tested"
    except UsageError as error:
        return f"none (only required to test answers that are programs): {error.message}"


def _battery() -> str:
    """What the test for forgetting can use here."""
    from postgrad.evaluation.battery.readers import READERS, ROWS_OF
    from postgrad.storage import home

    needed = [name for name in READERS if name not in ROWS_OF]
    there = sum((home() / "benchmarks" / f"{name}.jsonl").exists() for name in needed)
    rows = f"{there} of {len(needed)} public benchmarks available" + (
        "" if there == len(needed) else ", downloaded when first needed"
    )
    harness = _version("lm-eval")
    tasks = f"tasks of lm-eval {harness}" if harness != "not installed" else "no tasks of lm-eval (extra lm-eval)"
    return f"{rows}; built-in arithmetic and questions; {tasks}. Mostly short English questions: docs/forgetting.md"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
