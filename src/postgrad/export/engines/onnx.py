"""A folder in ONNX Runtime (`onnxruntime-genai`): an optional engine, whose builder writes it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postgrad.errors import UsageError
from postgrad.export.engines.optional import logprobs_of
from postgrad.export.engines.tokens import FolderTokens
from postgrad.export.parity.contestant import Said
from postgrad.records import Message, ToolDefinition


def converted(source: Path, target: Path, precision: str) -> None:
    """Writes ONNX Runtime's files.

    Args:
        source: Merged weights.
        target: Folder.
        precision: `fp32`, `fp16` or `int4`.

    Raises:
        UsageError: its builder does not take the model.
    """
    with tempfile.TemporaryDirectory(prefix="postgrad-") as cache:
        builder = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-e", "cpu", "-p", precision]
        command = [*builder, "-i", str(source), "-o", str(target), "-c", cache]
        offline = {**os.environ, "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=offline)
    if done.returncode or not (target / "model.onnx").exists():
        reason = ((done.stderr or done.stdout).strip().splitlines() or ["it said nothing"])[-1][:200]
        raise UsageError(
            f"ONNX Runtime's builder does not take this model ({reason}).", "Take --to gguf or safetensors."
        )


class OnnxModel:
    """A folder in ONNX Runtime, asked through its tokenizer's files.

    Args:
        folder: Of the export.
    """

    def __init__(self, folder: Path) -> None:
        import onnxruntime_genai  # pyright: ignore[reportMissingImports]

        self.name = f"ONNX Runtime GenAI {onnxruntime_genai.__version__}"
        self._genai, self._model = onnxruntime_genai, onnxruntime_genai.Model(str(folder))
        self._tokens = FolderTokens(folder)

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        return self._tokens.prompt(messages, tools)

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        generator = self._begun(len(ids) + 1, ids)
        return logprobs_of(generator.get_output("logits")[0], ids, begin)

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        ids = self._tokens.prompt(messages, tools)
        generator, out = self._begun(len(ids) + most, ids), list[int]()
        while not generator.is_done() and len(out) < most:
            generator.generate_next_token()
            out = [int(i) for i in generator.get_sequence(0)][len(ids) :]
            text, ended = self._tokens.said(out)
            if ended:
                return Said(tuple(out), text, "stop")
        finish = "stop" if len(out) < most else "length"  # it does not give the end mark that it stops at
        return Said(tuple(out), self._tokens.said(out)[0], finish)

    def _begun(self, length: int, ids: Sequence[int]) -> Any:
        settings = self._genai.GeneratorParams(self._model)
        settings.set_search_options(max_length=length, do_sample=False)
        generator = self._genai.Generator(self._model, settings)
        generator.append_tokens(np.array([list(ids)], np.int32))
        return generator
