"""What the starting model says of the examples, computed once before the first step and kept in the run's folder.

The file grows microbatch by microbatch, so that a run killed meanwhile goes on with the same numbers to the bit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import torch

from postgrad.errors import Interrupted
from postgrad.models.device import sums_in
from postgrad.models.rendering.render import Rendered
from postgrad.progress import Progress, Working
from postgrad.storage import sha256_json, write_atomic
from postgrad.training.batching import microbatches
from postgrad.training.objectives.base import Start
from postgrad.training.sequences import token_logprobs


def reference_sums(
    start: Start, examples: Sequence[Rendered], sequences: Sequence[tuple[Rendered, ...]]
) -> Working[list[tuple[float, ...]]]:
    """The sum of the log-probabilities of each sequence of each example, in nats, under the starting model.

    Args:
        examples: Decide the microbatches.
        sequences: Of each example.

    Raises:
        Interrupted: somebody wants it to stop; what is computed is kept.
    """
    path = start.folder.path / "reference.jsonl"
    key = sha256_json([start.identity, [[list(s.ids) for s in some] for some in sequences]])
    known = _kept(start, key)
    place = {id(example): i for i, example in enumerate(examples)}
    wanted = [[place[id(e)] for e in part] for part in microbatches(examples, start.token_budget)]
    missing = [part for part in wanted if any(i not in known for i in part)]
    start.world.wait()  # until all have read it
    if missing and start.world.leads:  # written anew, without what another training or a torn line left there
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps({"of": key}) + "\n" + "".join(_line(i, known[i]) for i in known))
    size = start.world.size
    for turn in range(0, len(missing), size):
        if start.world.any(start.stopped()):
            raise Interrupted(
                f"Stopped after the starting model's likelihoods of {len(known)} of {len(examples)} examples; they are"
                " kept."
            )
        parts = missing[turn : turn + size]
        found = _shared(start, parts, sequences)
        known |= found
        if start.world.leads:
            with path.open("a", encoding="utf-8") as out:
                out.writelines(_line(i, values) for i, values in found.items())
        yield Progress(len(known), len(examples), "reference", "likelihoods under the starting model")
    return [known[i] for i in range(len(examples))]


def _line(index: int, values: tuple[float, ...]) -> str:
    return json.dumps([index, *values]) + "\n"


def _shared(
    start: Start, parts: Sequence[Sequence[int]], sequences: Sequence[tuple[Rendered, ...]]
) -> dict[int, tuple[float, ...]]:
    """Each process computes its part; all know all."""
    flat = [s for part in parts for i in part for s in sequences[i]]
    sums, at = [0.0] * len(flat), 0
    for number, part in enumerate(parts):
        own = [s for i in part for s in sequences[i]]
        if number % start.world.size == start.world.rank:
            with torch.no_grad(), start.attached.as_start():
                sums[at : at + len(own)] = [v.to(sums_in(v)).sum().item() for v in token_logprobs(start.forward, own)]
        at += len(own)
    values = iter(start.world.sum(sums))
    return {i: tuple(next(values) for _ in sequences[i]) for part in parts for i in part}


def _kept(start: Start, key: str) -> dict[int, tuple[float, ...]]:
    """What an earlier process computed; a torn last line is left out."""
    path = start.folder.path / "reference.jsonl"
    if not path.exists():
        return {}
    lines = path.read_text("utf-8").splitlines()
    known: dict[int, tuple[float, ...]] = {}
    for number, line in enumerate(lines):
        try:
            read = json.loads(line)
        except json.JSONDecodeError:
            break
        if number == 0:
            if read != {"of": key}:
                return {}
        else:
            known[read[0]] = tuple(read[1:])
    return known
