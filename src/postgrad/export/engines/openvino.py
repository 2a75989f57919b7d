"""A folder in OpenVINO (`openvino-genai`), for Intel's processors and others: an optional engine, which also writes
it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postgrad.errors import UsageError
from postgrad.export.engines.optional import logprobs_of
from postgrad.export.engines.tokens import FolderTokens
from postgrad.export.parity.contestant import CannotSayError, Said
from postgrad.records import Message, ToolDefinition

MODEL = "openvino_model.xml"


def converted(gguf: Path) -> None:
    """Writes OpenVINO's files beside a GGUF file and the tokenizer's files: the tokenizer from those, because the one
    that it reads out of a GGUF file splits some scripts otherwise.

    Raises:
        UsageError: OpenVINO does not read a file of this architecture.
    """
    import openvino  # pyright: ignore[reportMissingImports]
    import openvino_genai  # pyright: ignore[reportMissingImports]
    import openvino_tokenizers  # pyright: ignore[reportMissingImports]
    from transformers import AutoTokenizer

    try:
        openvino_genai.LLMPipeline(str(gguf), "CPU", enable_save_ov_model=True)
        own: Any = AutoTokenizer.from_pretrained(gguf.parent)
        for name, model in zip(
            ("openvino_tokenizer.xml", "openvino_detokenizer.xml"),
            openvino_tokenizers.convert_tokenizer(own, with_detokenizer=True),
            strict=True,
        ):
            openvino.save_model(model, gguf.parent / name)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1][:200]
        raise UsageError(f"OpenVINO does not take this model ({reason}).", "Take --to gguf or safetensors.") from error


class OpenVinoModel:
    """A folder in OpenVINO: its own tokenizer and template, its own numbers.

    Args:
        folder: Of the export.
    """

    def __init__(self, folder: Path) -> None:
        import openvino  # pyright: ignore[reportMissingImports]
        import openvino_genai  # pyright: ignore[reportMissingImports]

        self.name = f"OpenVINO {openvino.__version__.partition('-')[0]}"
        self._genai, self._folder = openvino_genai, folder
        core = openvino.Core()
        model = core.read_model(folder / MODEL)
        self._inputs = {one.any_name for one in model.inputs}
        self._request: Any = core.compile_model(
            model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
        ).create_infer_request()
        self._tokenizer: Any = openvino_genai.Tokenizer(str(folder))
        self._tokens = FolderTokens(folder)

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        if tools:
            raise CannotSayError("its tokenizer is given no tools here")
        asked = [{"role": m.role, "content": m.content} for m in messages]
        text = self._tokenizer.apply_chat_template(asked, True)
        return [int(i) for i in self._tokenizer.encode(text, add_special_tokens=False).input_ids.data[0]]

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        count = len(ids)
        given = {
            "input_ids": np.array([list(ids)], np.int64),
            "attention_mask": np.ones((1, count), np.int64),
            "position_ids": np.arange(count, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        self._request.reset_state()
        out = self._request.infer({name: value for name, value in given.items() if name in self._inputs})
        return logprobs_of(next(iter(out.values()))[0], ids, begin)

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        ids = list(self.prompt(messages, tools))
        if not hasattr(self, "_pipeline"):
            hint = {"INFERENCE_PRECISION_HINT": "f32"}
            self._pipeline: Any = self._genai.LLMPipeline(str(self._folder), "CPU", **hint)
        config = self._genai.GenerationConfig()
        config.max_new_tokens, config.do_sample = most, False
        config.stop_token_ids = set(self._tokens.ends)
        config.apply_chat_template = False
        import openvino  # pyright: ignore[reportMissingImports]

        asked = openvino.Tensor(np.array([ids], np.int64))
        mask = openvino.Tensor(np.ones((1, len(ids)), np.int64))
        out = self._pipeline.generate(self._genai.TokenizedInputs(asked, mask), config)
        new = [int(i) for i in out.tokens[0]]
        text, ended = self._tokens.said(new)
        return Said(tuple(new), text, "stop" if ended or len(new) < most else "length")
