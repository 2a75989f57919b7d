"""Checkpoints: the whole state of a training, written atomically, so that killed and resumed equals uninterrupted.

A checkpoint is a folder `step-000120/` with `trained.safetensors` (weights and optimiser moments), `state.json` (all else)
and a hash of both; a torn or damaged one is passed over for the one before.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from postgrad.storage import folder_atomic, sha256_file, write_atomic


@dataclass(frozen=True)
class Checkpoint:
    """A readable checkpoint."""

    step: int
    tensors: dict[str, torch.Tensor]
    state: dict[str, Any]


def save(folder: Path, step: int, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any], keep: int = 2) -> Path:
    """Writes the checkpoint of a step, then removes all but the newest `keep`."""
    target = folder / f"step-{step:06d}"
    with folder_atomic(target) as work:
        write_atomic(
            work / "trained.safetensors", to_bytes({k: v.detach().cpu().contiguous() for k, v in tensors.items()})
        )
        write_atomic(work / "state.json", json.dumps(state))
        sums = {name: sha256_file(work / name) for name in ("trained.safetensors", "state.json")}
        write_atomic(work / "sums.json", json.dumps(sums))
    for old in _steps(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint, and the names of those that were passed over because they are damaged."""
    damaged: list[str] = []
    for path in reversed(_steps(folder)):
        if _whole(path):
            state = json.loads((path / "state.json").read_text("utf-8"))
            return Checkpoint(
                int(path.name.removeprefix("step-")), load_file(str(path / "trained.safetensors")), state
            ), damaged
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


def _steps(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-[0-9]*")) if folder.exists() else []
