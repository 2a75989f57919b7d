"""`openvino`: OpenVINO's own files, written by openvino-genai from a GGUF file of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from postgrad.errors import UsageError
from postgrad.export.engines import openvino
from postgrad.export.engines.optional import need
from postgrad.export.files import write_generation, write_tokenizer
from postgrad.export.formats import gguf
from postgrad.export.leaving import Leaving, Written, main_file
from postgrad.export.parity.contestant import Contestant
from postgrad.export.parity.gate import Check

PRECISIONS = ("F16", "Q8_0", "Q4_0")


def write(leaving: Leaving, folder: Path, wanted: str | None = None) -> Written:
    """Writes the folder.

    Args:
        leaving: The model.
        folder: Empty.
        wanted: `F16` (None), `Q8_0` or `Q4_0`.

    Raises:
        UsageError: openvino-genai is not installed or does not take the model.
    """
    need("openvino-genai", "openvino", "openvino_genai")
    gguf.write(leaving, folder, precision(leaving, wanted))
    path = main_file(folder, ".gguf")
    write_tokenizer(leaving, folder)
    write_generation(leaving, folder)
    openvino.converted(path)
    path.unlink()
    return Written(
        {
            "OpenVINO": "import openvino_genai\n"
            'pipe = openvino_genai.LLMPipeline("FOLDER", "CPU")\n'
            'print(pipe.generate(["…"], max_new_tokens=256, do_sample=False))'
        }
    )


def precision(leaving: Leaving, wanted: str | None) -> str:
    """Of the GGUF file that it is made from.

    Raises:
        UsageError: there is none of that name.
    """
    name = (wanted or "F16").upper()
    if name not in PRECISIONS:
        raise UsageError(f"There is no precision {wanted!r} of OpenVINO.", f"Take {', '.join(PRECISIONS)}.")
    return name


def contestants(leaving: Leaving, folder: Path) -> Iterator[Callable[[], Contestant]]:
    """The folder in OpenVINO."""
    yield lambda: openvino.OpenVinoModel(folder)


def checks(leaving: Leaving, folder: Path) -> list[Check]:
    """Nothing besides."""
    return []
