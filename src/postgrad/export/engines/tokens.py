"""The tokenizer and the template of an exported folder, for engines that have none of their own: read by transformers,
as their users do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from postgrad.export.chat_template import as_asked
from postgrad.models.generation.decoding import cut_at_stop
from postgrad.records import Message, ToolDefinition


class FolderTokens:
    """What asks and reads answers.

    Args:
        folder: With tokenizer, template and generation settings.

    Attributes:
        own: transformers' tokenizer.
        ends: Ids that end an answer.
        stops: Texts that do.
    """

    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.own: Any = AutoTokenizer.from_pretrained(folder)
        config = json.loads((folder / "generation_config.json").read_text("utf-8"))
        self.ends: list[int] = config["eos_token_id"]
        self.stops: list[str] = config.get("stop_strings") or []

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> list[int]:
        """Ids of a prompt."""
        out: Any = self.own.apply_chat_template(
            as_asked(messages),
            tools=[dict(t) for t in tools] or None,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
        )
        return list(out["input_ids"])

    def said(self, ids: Sequence[int]) -> tuple[str, bool]:
        """The text of generated ids, and whether it came to an end."""
        text: str = self.own.decode(list(ids), skip_special_tokens=True)
        ended = bool(ids) and ids[-1] in self.ends
        text, stopped = cut_at_stop(text, self.stops)
        return text, ended or stopped

    def texts(self, ids: Sequence[int]) -> list[str]:
        """Tokens as the vocabulary has them."""
        return self.own.convert_ids_to_tokens(list(ids))
