"""Writes a GGUF file, and reads one back: into transformers' module, by other code than wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from postgrad.errors import UsageError
from postgrad.export.chat_template import leaving_template
from postgrad.export.foreign import Module, QuantizationType, Setting
from postgrad.export.gguf.architectures import (
    architecture_of,
    laid_back,
    named_tensors,
    rope_factors,
    write_settings,
)
from postgrad.export.gguf.vocabulary import write_vocabulary
from postgrad.export.leaving import Leaving
from postgrad.export.weights import merged_module

QUANTIZATIONS = ("F32", "F16", "BF16", "Q8_0", "Q5_1", "Q5_0", "Q4_1", "Q4_0")
"""What the `gguf` package writes in Python. K-quants need llama.cpp itself (`kquants`)."""
K_QUANTS = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K")
EXACT = ("F32", "F16", "BF16")


def write_gguf(
    leaving: Leaving, path: Path, quantization: str, said: Callable[[int, int], None] = lambda done, all_: None
) -> Module:
    """Writes the file; gives the module that it was written from.

    Args:
        leaving: The model.
        path: Of the file.
        quantization: One of `QUANTIZATIONS`.
        said: Told how many of how many tensors are written.

    Raises:
        UsageError: the architecture or the tokenizer is none of llama.cpp's.
    """
    import gguf

    module = merged_module(leaving, torch.float32)
    found = architecture_of(module.config)
    template = leaving_template(leaving.renderer, leaving.instruction)
    writer = gguf.GGUFWriter(path, found.gguf)
    try:
        writer.add_name(leaving.file_name)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        writer.add_file_type(_file_type(quantization))
        write_settings(writer, module.config, found)
        write_vocabulary(writer, leaving, module.get_input_embeddings().weight.shape[0], template)
        tensors = list(named_tensors(module, found))
        for done, (name, _, weight) in enumerate(tensors, start=1):
            data, kind = packed(weight, quantization)
            writer.add_tensor(name, data, raw_dtype=kind)
            said(done, len(tensors))
        if (factors := rope_factors(module.config)) is not None:
            writer.add_tensor("rope_freqs.weight", factors)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
    finally:
        writer.close()
    return module


def packed(weight: torch.Tensor, quantization: str) -> tuple[np.ndarray, QuantizationType]:
    """A weight's bytes in the file and their type. Vectors stay in float32; rows that a block does not divide are kept
    in 16 bits."""
    import gguf

    types = gguf.GGMLQuantizationType
    data = np.ascontiguousarray(weight.float().cpu().numpy())
    if data.ndim < 2 or quantization == "F32":
        return data.astype(np.float32), types.F32
    kind = types[quantization]
    if data.shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
        kind = types.F16
    return gguf.quants.quantize(data, kind), kind


def _file_type(quantization: str) -> int:
    import gguf

    names = {"F32": "ALL_F32"}
    return int(gguf.LlamaFileType[names.get(quantization, f"MOSTLY_{quantization}")])


class GgufFile:
    """A GGUF file, read with the `gguf` package alone.

    Args:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        import gguf

        self.reader = gguf.GGUFReader(path)

    def value(self, key: str) -> Setting:
        """A setting; None where it is not there."""
        found = self.reader.get_field(key)
        return None if found is None else found.contents()

    def types(self) -> dict[str, str]:
        """The type of every tensor, by its name."""
        return {t.name: t.tensor_type.name for t in self.reader.tensors}

    def into(self, module: Module) -> Module:
        """Puts the file's weights into a module of the same config, and gives it back.

        Raises:
            UsageError: a weight is missing, or has another shape.
        """
        import gguf

        tensors = {t.name: t for t in self.reader.tensors}
        found = architecture_of(module.config)
        with torch.no_grad():
            for name, own, _ in named_tensors(module, found):
                if name not in tensors:
                    raise UsageError(f"The file has no tensor {name!r}.", "It was cut, or written by another program.")
                raw = tensors[name]
                data = torch.from_numpy(np.array(gguf.quants.dequantize(raw.data, raw.tensor_type), np.float32))
                parameter = module.get_parameter(own)
                parameter.copy_(laid_back(own, data.view(parameter.shape), module.config, found))
            if "output.weight" in tensors and module.config.tie_word_embeddings:
                raise UsageError(
                    "The file has an output layer of its own, and the model's is tied to its embedding.",
                    "Tied embeddings were lost.",
                )
        return module

    def merges(self) -> list[str]:
        """The merges of its tokenizer."""
        return list(self.value("tokenizer.ggml.merges") or [])


def tokenizer_faults(file: GgufFile, leaving: Leaving) -> list[str]:
    """Where the file's tokenizer is not the base's: tokens, merges, special ids."""
    raw = json.loads((leaving.base.folder / "tokenizer.json").read_text("utf-8"))
    out: list[str] = []
    tokens: list[str] = list(file.value("tokenizer.ggml.tokens"))
    for token in raw.get("added_tokens", []):
        if tokens[token["id"]] != token["content"] if token["id"] < len(tokens) else True:
            out.append(f"the added token {token['content']!r} is missing")
    if wrong := [t for t, i in raw["model"]["vocab"].items() if i >= len(tokens) or tokens[i] != t]:
        out.append(f"{len(wrong)} tokens are others, the first is {wrong[0]!r}")
    merges = [" ".join(m) if isinstance(m, list) else m for m in raw["model"]["merges"]]
    if file.value("tokenizer.ggml.model") == "gpt2" and file.merges() != merges:
        out.append("its merges are others")
    ends = {file.value("tokenizer.ggml.eos_token_id"), file.value("tokenizer.ggml.eot_token_id")} - {None}
    missing = leaving.renderer.end_ids - ends
    if missing and (len(leaving.renderer.end_ids) <= 2 or not ends & leaving.renderer.end_ids):
        out.append(f"the end token {sorted(missing)[0]} is missing")
    if file.value("tokenizer.ggml.add_bos_token"):
        out.append("it puts a beginning token (BOS) before every prompt")
    return out
