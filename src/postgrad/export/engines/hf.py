"""Exported weights in transformers, as a stranger would load them: no code of ours renders, loads or decodes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

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
        from transformers import AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        config = json.loads((folder / "generation_config.json").read_text("utf-8"))
        self._ends: list[int] = config["eos_token_id"]
        self._stops: list[str] | None = config.get("stop_strings")

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        asked = [m.to_dict() for m in messages]
        for one in asked:
            one.pop("weight", None)
        out: Any = self._tokenizer.apply_chat_template(
            asked, tools=[dict(t) for t in tools] or None, add_generation_prompt=True, tokenize=True, return_dict=True
        )
        return list(out["input_ids"])

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        return scored(self.module, ids, 0)[0][begin - 1 :].tolist()

    @torch.inference_mode()
    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        ids = list(self.prompt(messages, tools))
        stops = {"stop_strings": self._stops, "tokenizer": self._tokenizer} if self._stops else {}
        out: Any = self.module.generate(
            input_ids=torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=most,
            do_sample=False,
            eos_token_id=self._ends,
            pad_token_id=self._ends[0],
            **stops,
        )
        new = out[0, len(ids) :].tolist()
        text = self._tokenizer.decode(new, skip_special_tokens=True)
        stopped = bool(new) and new[-1] in self._ends
        for stop in self._stops or ():
            if stop in text:
                text, stopped = text.partition(stop)[0], True
        if not new:
            raise CannotSayError("it said nothing")
        return Said(tuple(new), text, "stop" if stopped else "length")
