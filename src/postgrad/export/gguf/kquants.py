"""K-quants, by llama.cpp itself: the `gguf` package reads them and does not write them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from postgrad.errors import StorageError, UsageError


def requantize(source: Path, target: Path, quantization: str) -> None:
    """Writes a file of 32 bits anew in a K-quant.

    Raises:
        UsageError: `llama-cpp-python` is not installed.
        StorageError: llama.cpp could not write the file.
    """
    if importlib.util.find_spec("llama_cpp") is None:
        raise UsageError(
            f"{quantization} is written by llama.cpp, and llama-cpp-python is not installed.",
            "pip install 'postgrad[llama-cpp]' (it is compiled, which takes about ten minutes), or take Q8_0 or Q4_0.",
        )
    import llama_cpp  # pyright: ignore[reportMissingImports]

    settings = llama_cpp.llama_model_quantize_default_params()
    settings.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{quantization}")
    code = llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), settings)
    if code or not target.exists():
        raise StorageError(f"llama.cpp could not write {target.name} (code {code}).", "Is the disk full?")
