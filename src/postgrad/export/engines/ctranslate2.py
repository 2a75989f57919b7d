"""A folder in CTranslate2: an optional engine, which also writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from postgrad.errors import UsageError
from postgrad.export.engines.tokens import FolderTokens
from postgrad.export.parity.contestant import Said
from postgrad.records import Message, ToolDefinition


def converted(source: Path, target: Path, precision: str) -> None:
    """Writes CTranslate2's files.

    Raises:
        UsageError: it has no such architecture.
    """
    from ctranslate2.converters import TransformersConverter  # pyright: ignore[reportMissingImports]

    try:
        TransformersConverter(str(source)).convert(str(target), quantization=precision, force=True)
    except (ValueError, KeyError, AttributeError, NotImplementedError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UsageError(
            f"CTranslate2 does not take this model ({reason}).", "Take --to gguf or safetensors."
        ) from error


class CTranslate2Model:
    """A folder in CTranslate2, asked through its tokenizer's files.

    Args:
        folder: Of the export.
    """

    def __init__(self, folder: Path) -> None:
        import ctranslate2  # pyright: ignore[reportMissingImports]

        self.name = f"CTranslate2 {ctranslate2.__version__}"
        self._generator: Any = ctranslate2.Generator(str(folder), device="cpu", compute_type="default")
        self._tokens = FolderTokens(folder)

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        return self._tokens.prompt(messages, tools)

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        (found,) = self._generator.score_batch([self._tokens.texts(ids)])
        return [float(v) for v in found.log_probs][-(len(ids) - begin) :]

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        ids = self._tokens.prompt(messages, tools)
        (out,) = self._generator.generate_batch(
            [self._tokens.texts(ids)],
            max_length=most,
            sampling_topk=1,
            end_token=self._tokens.ends,
            return_end_token=True,
            include_prompt_in_result=False,
        )
        new = [int(i) for i in out.sequences_ids[0]]
        text, ended = self._tokens.said(new)
        return Said(tuple(new), text, "stop" if ended else "length")
