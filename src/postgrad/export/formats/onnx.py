"""`onnx`: ONNX Runtime's files, written by the builder of onnxruntime-genai from merged weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from postgrad.errors import UsageError
from postgrad.export.engines import onnx
from postgrad.export.engines.optional import need
from postgrad.export.formats import merged
from postgrad.export.leaving import Leaving, Written
from postgrad.export.parity.contestant import Contestant
from postgrad.export.parity.gate import Check

BUILDERS = {"float32": "fp32", "int4": "int4"}
"""What its builder calls precisions that a processor computes."""


def write(leaving: Leaving, folder: Path, wanted: str | None = None) -> Written:
    """Writes the folder.

    Args:
        leaving: The model.
        folder: Empty.
        wanted: `float32` (None) or `int4`.

    Raises:
        UsageError: onnxruntime-genai is not installed or does not take the model.
    """
    need("onnxruntime-genai", "onnx", "onnxruntime_genai", "onnx_ir")
    kind = BUILDERS[precision(leaving, wanted)]
    merged.through_merged(leaving, folder, lambda plain, made: onnx.converted(plain, made, kind))
    return Written(
        {
            "ONNX Runtime": "import onnxruntime_genai as og\n"
            'model = og.Model("FOLDER")\n'
            "# see onnxruntime-genai's own examples: og.Tokenizer, og.GeneratorParams, og.Generator"
        }
    )


def precision(leaving: Leaving, wanted: str | None) -> str:
    """Of the weights.

    Raises:
        UsageError: there is none of that name.
    """
    name = wanted or "float32"
    if name not in BUILDERS:
        raise UsageError(f"There is no precision {wanted!r} of ONNX Runtime here.", f"Take {', '.join(BUILDERS)}.")
    return name


def contestants(leaving: Leaving, folder: Path) -> Iterator[Callable[[], Contestant]]:
    """The folder in ONNX Runtime."""
    yield lambda: onnx.OnnxModel(folder)


def checks(leaving: Leaving, folder: Path) -> list[Check]:
    """Nothing besides."""
    return []
