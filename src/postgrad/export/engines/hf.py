"""Exported weights in transformers, as a stranger would load them: no code of ours renders, loads or decodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from postgrad.export.engines.tokens import FolderTokens
from postgrad.export.foreign import Module
from postgrad.export.parity.contestant import CannotSayError, Said
from postgrad.export.parity.probes import scored
from postgrad.records import Message, ToolDefinition


class TransformersModel:
    """A folder that `AutoModelForCausalLM` reads; with an adapter, PEFT too.

    Args:
        folder: Of the export.
        base: Of the base's weights, where the folder holds an adapter.
        revision: Of a base of the hub.
    """

    def __init__(self, folder: Path, base: str | None = None, revision: str | None = None) -> None:
        import transformers
        from transformers import AutoModelForCausalLM

        self._open(folder)
        self.name = f"transformers {transformers.__version__}"
        place = base or str(folder)
        there = {"revision": revision} if revision else {}
        self.module: Module = AutoModelForCausalLM.from_pretrained(
            place, dtype="auto", attn_implementation="eager", **there
        ).eval()
        if base is not None:
            import peft

            self.name = f"PEFT {peft.__version__}, {self.name}"
            self.module = peft.PeftModel.from_pretrained(self.module, str(folder)).eval()

    def _open(self, folder: Path) -> None:
        """Tokenizer and settings."""
        self._folder, self._tokens = folder, FolderTokens(folder)

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        return self._tokens.prompt(messages, tools)

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        return scored(self.module, ids, 0)[0][begin - 1 :].tolist()

    @torch.inference_mode()
    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        from transformers import GenerationConfig

        ids, tokens = self._tokens.prompt(messages, tools), self._tokens
        how = GenerationConfig.from_pretrained(self._folder)  # the export's own, whatever the base's says
        how.max_new_tokens, how.pad_token_id = most, tokens.ends[0]
        out: Any = self.module.generate(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            generation_config=how,
            tokenizer=tokens.own,
        )
        new = out[0, len(ids) :].tolist()
        if not new:
            raise CannotSayError("it said nothing")
        text, ended = tokens.said(new)
        return Said(tuple(new), text, "stop" if ended else "length")
