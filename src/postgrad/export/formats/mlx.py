"""`mlx`: the folder of `safetensors`, which mlx-lm reads as it is, in a precision that Apple's processors compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from postgrad.export.engines import mlx
from postgrad.export.formats import merged
from postgrad.export.leaving import Leaving, Written
from postgrad.export.parity.contestant import Contestant
from postgrad.export.parity.gate import Check


def write(leaving: Leaving, folder: Path, wanted: str | None = None) -> Written:
    """Writes the folder.

    Args:
        leaving: The model.
        folder: Empty.
        wanted: `bfloat16` (None), `float16` or `float32`.
    """
    written = merged.write(leaving, folder, precision(leaving, wanted))
    return Written(
        {
            "MLX": 'mlx_lm.generate --model FOLDER --prompt "…" --temp 0',
            "MLX server": "mlx_lm.server --model FOLDER",
        },
        written.notes,
    )


def precision(leaving: Leaving, wanted: str | None) -> str:
    """As of `safetensors`; half the bits by default."""
    return merged.precision(leaving, wanted or "bfloat16")


def contestants(leaving: Leaving, folder: Path) -> Iterator[Callable[[], Contestant]]:
    """The folder in transformers, and in MLX where that is installed."""
    yield from merged.contestants(leaving, folder)
    if mlx.at_hand():
        yield lambda: mlx.MlxModel(folder)


def checks(leaving: Leaving, folder: Path) -> list[Check]:
    """Nothing besides: both read every file of it."""
    return []
