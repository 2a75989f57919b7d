"""`safetensors`: one folder with all weights, what was trained put in, as transformers, vLLM, TGI, SGLang and MLX read
it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from postgrad.errors import StorageError, UsageError
from postgrad.export.engines.hf import TransformersModel
from postgrad.export.files import write_generation, write_tokenizer
from postgrad.export.leaving import Leaving, Written
from postgrad.export.parity.contestant import Contestant
from postgrad.export.parity.gate import Check
from postgrad.export.weights import DTYPES, merged_module, stored_dtype


def write(leaving: Leaving, folder: Path, wanted: str | None = None) -> Written:
    """Writes the folder.

    Args:
        leaving: The model.
        folder: Empty.
        wanted: `float32`, `float16` or `bfloat16`; None for that of the base's own files.
    """
    dtype: torch.dtype = getattr(torch, precision(leaving, wanted))
    save_module(merged_module(leaving, dtype), folder)
    write_tokenizer(leaving, folder)
    write_generation(leaving, folder)
    return Written(
        {
            "transformers": "from transformers import pipeline\n"
            'ask = pipeline("text-generation", "FOLDER")\n'
            'print(ask([{"role": "user", "content": "…"}], max_new_tokens=256)[0]["generated_text"][-1]["content"])',
            "vLLM": "vllm serve FOLDER --served-model-name NAME --generation-config FOLDER",
            "SGLang": "python -m sglang.launch_server --model-path FOLDER --served-model-name NAME",
            "postgrad": "postgrad serve --base FOLDER",
        },
        (f"Weights in {str(dtype).removeprefix('torch.')}.",),
    )


def precision(leaving: Leaving, wanted: str | None) -> str:
    """Of the weights.

    Raises:
        UsageError: there is none of that name.
    """
    if wanted is not None and wanted not in DTYPES:
        raise UsageError(f"There is no precision {wanted!r} of safetensors.", f"Take {', '.join(DTYPES)}.")
    return wanted or str(stored_dtype(leaving.base)).removeprefix("torch.")


def contestants(leaving: Leaving, folder: Path) -> Iterator[Callable[[], Contestant]]:
    """The folder in transformers."""
    yield lambda: TransformersModel(folder)


def checks(leaving: Leaving, folder: Path) -> list[Check]:
    """Nothing besides: transformers reads every file of it."""
    return []


def through_merged(leaving: Leaving, folder: Path, convert: Callable[[Path, Path], None]) -> None:
    """Fills a folder by a converter of merged weights: what it makes, beside tokenizer, template and settings.

    Args:
        leaving: The model.
        folder: Empty.
        convert: Reads the first folder and writes the second.
    """
    plain, made = folder / "plain", folder / "made"
    plain.mkdir()
    write(leaving, plain, "float32")
    convert(plain, made)
    for path in made.iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(plain)
    made.rmdir()
    write_tokenizer(leaving, folder)
    write_generation(leaving, folder)


def save_module(module: torch.nn.Module, folder: Path) -> None:
    """Weights and config in safetensors.

    Raises:
        StorageError: the disk is full or cannot be written to.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        module.save_pretrained(folder)  # pyright: ignore[reportCallIssue]
    except SafetensorError as error:  # safetensors hides the operating system's error in its own
        raise StorageError(
            f"The weights could not be written to {str(folder)!r}: {error}.", "Free some space and run it again."
        ) from error
