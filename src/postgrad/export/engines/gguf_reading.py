"""A GGUF file read back: its weights in transformers' module, its own template and settings around them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from postgrad.export.chat_template import plainly
from postgrad.export.foreign import Module
from postgrad.export.gguf.file import K_QUANTS, GgufFile, tokenizer_faults
from postgrad.export.leaving import Leaving
from postgrad.export.parity.contestant import Said
from postgrad.export.parity.gate import Check
from postgrad.export.parity.probes import Truth, greedy, scored
from postgrad.export.weights import in_plain_attention
from postgrad.models.generation.decoding import cut_at_stop
from postgrad.records import Message, ToolDefinition


class GgufReading:
    """A file, with the numbers that it holds.

    Args:
        path: Of the file.
        leaving: The model that it was written from.
        module: Of the same config; its weights are replaced by the file's.
    """

    def __init__(self, path: Path, leaving: Leaving, module: Module) -> None:
        file = GgufFile(path)
        self.name = "the file read back (gguf)"
        self._renderer = leaving.renderer
        source = str(file.value("tokenizer.chat_template") or "")
        self._source, self._tokens = source, leaving.renderer.template.tokens
        begin = file.value("tokenizer.ggml.bos_token_id")
        self._begin = [int(begin)] if file.value("tokenizer.ggml.add_bos_token") and begin is not None else []
        marks = ("eos_token_id", "eot_token_id", "eom_token_id")
        ends = {file.value(f"tokenizer.ggml.{mark}") for mark in marks} - {None}
        module = in_plain_attention(file.into(module))
        self._truth = Truth(
            module, lambda _: None, frozenset(int(e) for e in ends), leaving.renderer.decode, leaving.renderer.stops
        )

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        text = plainly(self._source, self._tokens, messages, tools)
        return [*self._begin, *self._renderer.encode(text)]

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        return scored(self._truth.module, ids, 0)[0][begin - 1 :].tolist()

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        ids, finish = greedy(self._truth, self.prompt(messages, tools), most)
        text = self._renderer.decode([i for i in ids if i not in self._truth.end_ids])
        return Said(ids, cut_at_stop(text, self._truth.stops)[0], finish)


def file_check(path: Path, leaving: Leaving, precision: str) -> Check:
    """The tokenizer of a file beside that of the base, and the types of its tensors beside the one that it claims."""
    file = GgufFile(path)
    if faults := tokenizer_faults(file, leaving):
        return Check("files", False, f"The file's tokenizer is not the base's: {faults[0]}.", "; ".join(faults))
    if wrong := [f"{n} ({kind})" for n, kind in file.types().items() if not _may_be(n, kind, precision)]:
        told = f"The tensor {wrong[0]} is quantised, and the file claims {precision}."
        return Check("files", False, told, "a tensor was quantised that must not be")
    return Check("files", True, "Tokens, merges and end marks of the file are the base's.")


def _may_be(name: str, kind: str, precision: str) -> bool:
    """Whether a tensor may be of a type: 16 and 32 bits always, else what the file claims; llama.cpp mixes K-quants."""
    if kind in ("F32", "F16", "BF16"):
        return True
    return "norm" not in name and (kind == precision or precision in K_QUANTS)
