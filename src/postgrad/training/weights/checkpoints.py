"""Checkpoints: the whole state of a training, written atomically, so that killed and resumed equals uninterrupted.

A checkpoint is a folder `step-000120/` with safetensors files (weights, optimiser moments, best weights), `state.json`
(all else) and the hashes of all; a torn or damaged one is passed over for the one before.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from postgrad.errors import TrainingError
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.storage import folder_atomic, sha256_file, write_atomic

PART_BYTES = 64 << 20


@dataclass(frozen=True)
class Checkpoint:
    """A readable checkpoint."""

    step: int
    tensors: dict[str, torch.Tensor]
    state: JsonObject


def save(folder: Path, step: int, tensors: Mapping[str, torch.Tensor], state: JsonMapping, keep: int = 2) -> Path:
    """Writes the checkpoint of a step, then removes all but the newest `keep`."""
    target = folder / f"step-{step:06d}"
    with folder_atomic(target) as work:
        for number, part in enumerate(_parts(tensors)):  # never a second copy of everything in memory
            write_atomic(work / f"tensors-{number:04d}.safetensors", to_bytes(part))
        write_atomic(work / "state.json", json.dumps(state))
        write_atomic(work / "sums.json", json.dumps({p.name: sha256_file(p) for p in sorted(work.iterdir())}))
    for old in _folders(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def _parts(tensors: Mapping[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    """The tensors in files of about `PART_BYTES`."""
    part: dict[str, torch.Tensor] = {}
    for name, tensor in tensors.items():
        part[name] = tensor.detach().cpu().contiguous()
        if sum(t.nbytes for t in part.values()) >= PART_BYTES:
            yield part
            part = {}
    if part:
        yield part


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint, and the names of those that were passed over because they are damaged."""
    damaged: list[str] = []
    for path in reversed(_folders(folder)):
        if _whole(path):
            state = json.loads((path / "state.json").read_text("utf-8"))
            tensors = {n: t for file in sorted(path.glob("*.safetensors")) for n, t in load_file(str(file)).items()}
            return Checkpoint(int(path.name.removeprefix("step-")), tensors, state), damaged
        damaged.append(path.name)
    return None, damaged


def _whole(path: Path) -> bool:
    try:
        sums = json.loads((path / "sums.json").read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return bool(sums) and all(
        (path / name).exists() and sha256_file(path / name) == value for name, value in sums.items()
    )


def _folders(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-[0-9]*")) if folder.exists() else []


def steps(folder: Path) -> list[int]:
    """Steps of the checkpoints, oldest first."""
    return [int(path.name.removeprefix("step-")) for path in _folders(folder)]


def refuse_other(kept: dict[str, str], now: dict[str, str], where: str) -> None:
    """Raises TrainingError naming what differs between the identity of a checkpoint and that of this training."""
    if differing := [k for k, v in now.items() if kept.get(k) != v]:
        raise TrainingError(
            f"The checkpoint in {where!r} belongs to another training: other {' and '.join(differing)}.",
            "Use the settings, data and base model that it was started with, or start over in another folder.",
        )
