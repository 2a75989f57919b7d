"""A GGUF file in llama.cpp, by llama-cpp-python: an optional engine."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postgrad.export.chat_template import plainly
from postgrad.export.engines.optional import logprobs_of
from postgrad.export.parity.contestant import CannotSayError, Said
from postgrad.models.generation.decoding import cut_at_stop
from postgrad.records import Message, ToolDefinition


def at_hand() -> bool:
    """Whether llama-cpp-python is installed."""
    return importlib.util.find_spec("llama_cpp") is not None


class LlamaCpp:
    """A file in llama.cpp: its tokenizer, its numbers, its end marks.

    Args:
        path: Of the file.
        tokens: Special tokens that the template may name.
        stops: Texts that end an answer: a GGUF file cannot hold them, whoever starts the engine names them.
        context: Tokens that a question and its answer may take.
    """

    def __init__(self, path: Path, tokens: dict[str, str], stops: Sequence[str] = (), context: int = 2048) -> None:
        import llama_cpp  # pyright: ignore[reportMissingImports]

        self.name = f"llama.cpp (llama-cpp-python {llama_cpp.__version__})"
        self._llm: Any = llama_cpp.Llama(str(path), n_ctx=context, logits_all=True, verbose=False, n_threads=2)
        meta = self._llm.metadata
        self._source, self._tokens = meta["tokenizer.chat_template"], tokens
        self._stops = tuple(stops)
        self._adds = meta.get("tokenizer.ggml.add_bos_token") == "true"
        ends = [meta.get(f"tokenizer.ggml.{name}_token_id") for name in ("eos", "eot", "eom")]
        self._ends = {int(end) for end in ends if end is not None}

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        text = plainly(self._source, self._tokens, messages, tools)
        return self._llm.tokenize(text.encode(), add_bos=self._adds, special=True)

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        if len(ids) > self._llm.n_ctx():
            raise CannotSayError("it is longer than the context that was opened")
        self._llm.reset()
        self._llm.eval(list(ids))
        return logprobs_of(self._llm.scores[: len(ids) - 1], ids, begin)

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        ids, out = list(self.prompt(messages, tools)), list[int]()
        self._llm.reset()
        self._llm.eval(ids)
        while len(out) < most:
            out.append(int(np.argmax(self._llm.scores[len(ids) + len(out) - 1])))
            if out[-1] in self._ends or cut_at_stop(self._text(out), self._stops)[1]:
                break
            self._llm.eval([out[-1]])
        text, stopped = cut_at_stop(self._text(out), self._stops)
        return Said(tuple(out), text, "stop" if stopped or out[-1] in self._ends else "length")

    def _text(self, ids: Sequence[int]) -> str:
        kept = [token for token in ids if token not in self._ends]
        return self._llm.detokenize(kept).decode("utf-8", "replace")
