"""`gguf`: one file with everything, for llama.cpp and what is built on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from postgrad.errors import UsageError
from postgrad.export.engines import llama_cpp
from postgrad.export.engines.gguf_reading import GgufReading, file_check
from postgrad.export.gguf.file import K_QUANTS, QUANTIZATIONS, write_gguf
from postgrad.export.gguf.kquants import requantize
from postgrad.export.leaving import Leaving, Written, main_file
from postgrad.export.parity.contestant import Contestant
from postgrad.export.parity.gate import Check
from postgrad.export.weights import merged_module

DEFAULT = "F16"


def write(leaving: Leaving, folder: Path, wanted: str | None = None) -> Written:
    """Writes `NAME.gguf`.

    Args:
        leaving: The model.
        folder: Empty.
        wanted: One of `QUANTIZATIONS`, or of `K_QUANTS` where `llama-cpp-python` is installed; None for 16 bits.

    Raises:
        UsageError: there is no such quantisation, or the architecture is none of llama.cpp's.
    """
    wanted = precision(leaving, wanted)
    path = folder / f"{leaving.file_name}-{wanted}.gguf"
    if wanted in K_QUANTS:
        plain = folder / "plain.gguf"
        write_gguf(leaving, plain, "F32")
        requantize(plain, path, wanted)
        plain.unlink()
    else:
        write_gguf(leaving, path, wanted)
    return Written(
        {
            "llama.cpp": f"llama-server -m FOLDER/{path.name} --jinja --temp 0",
            "llama-cpp-python": "from llama_cpp import Llama\n"
            f'llm = Llama("FOLDER/{path.name}", n_ctx=0)\n'
            'print(llm.create_chat_completion([{"role": "user", "content": "…"}], temperature=0))',
            "postgrad": f"postgrad serve --base FOLDER/{path.name}",
        },
        (f"Weights as {wanted}.", *_unsaid(leaving)),
    )


def _unsaid(leaving: Leaving) -> tuple[str, ...]:
    """What a GGUF file cannot hold."""
    if not leaving.renderer.stops:
        return ()
    texts = ", ".join(repr(stop) for stop in leaving.renderer.stops[:3])
    return (f"Its base has no chat template of its own: answers end at {texts}, which requests must name as `stop`.",)


def precision(leaving: Leaving, wanted: str | None) -> str:
    """The name of a quantisation.

    Raises:
        UsageError: there is none of that name.
    """
    name = (wanted or DEFAULT).upper()
    if name not in (*QUANTIZATIONS, *K_QUANTS):
        raise UsageError(
            f"There is no quantisation {wanted!r}.",
            f"In Python: {', '.join(QUANTIZATIONS)}; with the extra llama-cpp: {', '.join(K_QUANTS)}; or auto.",
        )
    return name


def contestants(leaving: Leaving, folder: Path) -> Iterator[Callable[[], Contestant]]:
    """The file read back, and in llama.cpp where that is installed."""
    path = main_file(folder, ".gguf")
    yield lambda: GgufReading(path, leaving, merged_module(leaving, torch.float32))
    if llama_cpp.at_hand():
        tokens = dict(leaving.renderer.template.tokens)
        yield lambda: llama_cpp.LlamaCpp(path, tokens, leaving.renderer.stops)


def checks(leaving: Leaving, folder: Path) -> list[Check]:
    """The file's tokenizer, and which of its tensors are quantised."""
    path = main_file(folder, ".gguf")
    return [file_check(path, leaving, path.stem.rpartition("-")[2])]
