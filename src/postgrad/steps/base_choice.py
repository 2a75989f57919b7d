"""Which open bases this machine, or a GPU of so many bytes, can serve and train; and `--base auto`, which takes one.

What `auto` takes: the largest base whose LoRA training fits into half of the memory and, with the examples of a run of
the usual length, into two fifths of the run's time; that everybody may use for anything; and that is on this machine
already or can be fetched. Where none of the list is so, the embedded one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from postgrad.models.base_models import EMBEDDED
from postgrad.models.open_bases import OpenBase, open_bases
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe, merged
from postgrad.steps.context import USUAL_MINUTES
from postgrad.steps.known_device import KnownDevice, known_device
from postgrad.steps.time_budget import USUAL_TOKENS
from postgrad.training.memory import PROCESS, Need, peak_bytes, sizes, training_flops

AUTO = "auto"
METHODS = ("full", "lora", "qlora")
"""From what needs the most memory to what needs the least."""
SERVED_TOKENS = 4096
"""Of conversations, whose keys and values a server keeps."""
SAMPLE, SAMPLE_TOKENS, SAMPLE_LEARNED = 1000, 300, 100
"""Examples whose training is timed; tokens of each, and those of them that are learned."""
MEMORY_SHARE, TIME_SHARE = 0.5, 0.4
"""What `auto` gives a training of the free memory and of the run's time."""
PASSES = 2


@dataclass(frozen=True)
class Machine:
    """What a base is held against.

    Attributes:
        room: Free bytes.
        dtype: What is computed in.
        flops: Operations a second of a training; None where it is not known.
        measured: Whether the speed was measured on this machine.
    """

    room: int
    dtype: str
    flops: float | None
    measured: bool = False


@dataclass(frozen=True)
class Fit:
    """What a machine can do with a base.

    Attributes:
        needs: Bytes by `serve` and each method of training.
        ways: Of those, what fits.
        seconds: One pass of LoRA over the sample; None where the machine's speed is not known, or it does not fit.
    """

    base: OpenBase
    needs: Mapping[str, int]
    ways: tuple[str, ...]
    seconds: float | None

    @property
    def best(self) -> str:
        """The most that fits; empty for nothing."""
        return next((way for way in (*METHODS, "serve") if way in self.ways), "")

    @property
    def trainable(self) -> bool:
        """Whether it can be trained by any method."""
        return any(method in self.ways for method in METHODS)


def this_machine(device: KnownDevice | None = None) -> Machine:
    """Memory as it is now, and the speed of the device; of the one that was measured last where none is given."""
    import psutil

    known = device or known_device()
    return Machine(
        known.memory_bytes or psutil.virtual_memory().available, known.dtype, known.rate("training"), known.measured
    )


def fits_of(machine: Machine) -> list[Fit]:
    """What the machine can do with each base, the smallest first."""
    return [fit_of(base, machine) for base in open_bases().values()]


def fit_of(base: OpenBase, machine: Machine) -> Fit:
    """What the machine can do with a base: by its sizes alone, nothing is fetched."""
    value, config = (2 if machine.dtype == "bfloat16" else 4), dict(base.config)
    counted = sizes(config, 0)
    needs = {"serve": base.parameters * value + counted.cached * SERVED_TOKENS * value + PROCESS}
    uncounted = max(0, base.parameters - counted.body - counted.head - counted.embedding)
    for method in METHODS:
        need = Need(config, method, longest=SAMPLE_TOKENS, dtype=machine.dtype)
        needs[method] = peak_bytes(need) + uncounted * value  # what sees images, embeddings of every layer
    ways = tuple(way for way, size in needs.items() if size <= machine.room)
    seconds = _seconds(base, machine) if "lora" in ways or "qlora" in ways else None
    return Fit(base, needs, ways, seconds)


def _seconds(base: OpenBase, machine: Machine, tokens: float = SAMPLE * SAMPLE_TOKENS) -> float | None:
    """One pass of LoRA over so many tokens."""
    if machine.flops is None:
        return None
    count = max(1, round(tokens / SAMPLE_TOKENS))
    return training_flops(dict(base.config), [SAMPLE_TOKENS] * count, SAMPLE_LEARNED * count) / machine.flops


def with_chosen_base(recipe: Recipe) -> Working[Recipe]:
    """The recipe with a base's name where it says `auto`, told with the reason."""
    if recipe.base != AUTO:
        return recipe
    minutes = recipe.max_minutes or USUAL_MINUTES
    chosen, why = choice(this_machine(), minutes, _is_kept, fetches())
    yield Said(f"Base: {chosen}. {why}")
    return merged(recipe, {"base": chosen})


def choice(machine: Machine, minutes: float, kept: Callable[[OpenBase], bool], fetches: bool) -> tuple[str, str]:
    """What `auto` takes, and why.

    Args:
        kept: Says of a base whether it is on this machine.
        fetches: Whether the hub can be reached.
    """
    seconds, room = TIME_SHARE * 60 * minutes, MEMORY_SHARE * machine.room
    free = [base for base in open_bases().values() if base.free]
    able = [
        base
        for base in free
        if fit_of(base, machine).needs["lora"] <= room
        and PASSES * (_seconds(base, machine, USUAL_TOKENS) or 0.0) <= seconds
    ]
    had = [base for base in able if kept(base) or fetches]
    rule = (
        f"Of {len(free)} open bases that anybody may use, {len(able)} can be trained in half of"
        f" {machine.room / 1e9:.0f} GB and in {seconds / 60:.0f} minutes"
    )
    if had:
        best = max(had, key=lambda base: (base.active, base.parameters))
        return best.id, f"{rule}; this is the largest that {'can be fetched' if fetches else 'is on this machine'}."
    return EMBEDDED, f"{rule}; none is on this machine and the hub is not reachable, so it is the embedded model."


def _is_kept(base: OpenBase) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(base.id, "config.json"), str)


def fetches() -> bool:
    """Whether the hub can be reached and may be asked."""
    if os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("", "0", "false"):
        return False
    try:
        with socket.create_connection(("huggingface.co", 443), timeout=3):
            return True
    except OSError:
        return False
