"""The formats in which a model can leave: one file in `formats/` and one line here each.

A format's file has `write`, which fills a folder; `contestants`, which gives the written model in every engine that is
at hand; and `checks`, what is looked at in the files themselves.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

from postgrad.errors import UsageError
from postgrad.export.leaving import Leaving, Written
from postgrad.export.parity.contestant import Contestant
from postgrad.export.parity.gate import Check, Tolerance


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        module: Its file.
        sentence: What it is, for people.
    """

    module: str
    sentence: str


FORMATS: dict[str, Format] = {
    "peft": Format("postgrad.export.formats.peft", "the adapter alone, with a base that resolves"),
    "safetensors": Format(
        "postgrad.export.formats.merged",
        "all weights, as transformers, vLLM, SGLang and TGI read them",
    ),
    "gguf": Format(
        "postgrad.export.formats.gguf",
        "one file for llama.cpp, LM Studio and others",
    ),
    "ollama": Format(
        "postgrad.export.formats.ollama",
        "a merged GGUF file with a Modelfile",
    ),
    "mlx": Format("postgrad.export.formats.mlx", "all weights, as MLX reads them"),
    "openvino": Format("postgrad.export.formats.openvino", "OpenVINO's own files"),
    "ctranslate2": Format("postgrad.export.formats.ctranslate2", "CTranslate2's own files"),
    "onnx": Format("postgrad.export.formats.onnx", "ONNX Runtime's files"),
}
"""By the name that `--to` takes."""
TOLERANCES = {
    "float32": Tolerance(0.002),
    "float16": Tolerance(0.01),
    "bfloat16": Tolerance(0.1),
    "int8": Tolerance(0.2, exact=False),
    "Q8_0": Tolerance(0.15, exact=False),
    "Q6_K": Tolerance(0.4, exact=False),
    "Q5_K": Tolerance(0.8, exact=False),
    "Q4_K": Tolerance(1.5, exact=False),
    "Q3_K": Tolerance(2.5, exact=False),
    "Q2_K": Tolerance(3.0, exact=False),
    "Q5_1": Tolerance(0.8, exact=False),
    "Q5_0": Tolerance(0.8, exact=False),
    "int4": Tolerance(1.5, exact=False),
    "Q4_1": Tolerance(1.5, exact=False),
    "Q4_0": Tolerance(1.5, exact=False),
}
"""By precision: largest mean distance in nats a token. What a quantisation costs on the task is measured besides."""
SAME_AS = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}


class FormatModule(Protocol):
    """What a format's file has."""

    def write(self, leaving: Leaving, folder: Path, precision: str | None = None) -> Written: ...

    def contestants(self, leaving: Leaving, folder: Path) -> Iterator[Callable[[], Contestant]]: ...

    def checks(self, leaving: Leaving, folder: Path) -> list[Check]: ...

    def precision(self, leaving: Leaving, wanted: str | None) -> str: ...


def format_named(name: str) -> FormatModule:
    """A format's file.

    Raises:
        UsageError: there is no such format.
    """
    if name not in FORMATS:
        known = "; ".join(f"{key} ({one.sentence})" for key, one in FORMATS.items())
        raise UsageError(f"There is no format {name!r}.", f"Formats: {known}.")
    return cast(FormatModule, importlib.import_module(FORMATS[name].module))


def tolerance_of(precision: str) -> Tolerance:
    """How far a model of a precision may be from the trained one.

    Raises:
        UsageError: nobody knows such a precision.
    """
    name = SAME_AS.get(precision.upper(), precision)
    name = next((n for n in TOLERANCES if n.lower() == name.lower()), re.sub(r"_[SML]\Z", "", precision.upper()))
    if name not in TOLERANCES:
        raise UsageError(f"There is no precision {precision!r}.", f"Known: {', '.join(TOLERANCES)}.")
    return TOLERANCES[name]


def wide_enough(tolerance: Tolerance, dtype: str) -> Tolerance:
    """The tolerance where the truth itself was computed in a dtype: nothing can be nearer than that is exact."""
    own = TOLERANCES[dtype]
    return tolerance if own.mean <= tolerance.mean else Tolerance(own.mean, tolerance.exact)
