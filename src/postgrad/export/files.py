"""The files that every export of weights has besides them: tokenizer, template, generation settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from postgrad.export.chat_template import leaving_template
from postgrad.export.leaving import Leaving
from postgrad.json_types import JsonObject

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
)
GREEDY = ("temperature", "top_p", "top_k", "min_p", "typical_p", "repetition_penalty", "num_beams")
"""Settings of a base's own generation config that would answer otherwise than the model was evaluated."""


def write_tokenizer(leaving: Leaving, folder: Path) -> None:
    """The base's tokenizer, with the template that asks as the model is served."""
    for name in TOKENIZER_FILES:
        if (leaving.base.folder / name).exists():
            shutil.copyfile(leaving.base.folder / name, folder / name)
    settings = folder / "tokenizer_config.json"
    if settings.exists():
        config = json.loads(settings.read_text("utf-8"))
        config.pop("chat_template", None)
        settings.write_text(json.dumps(config, indent=1, ensure_ascii=False), "utf-8")
    (folder / "chat_template.jinja").write_text(leaving_template(leaving.renderer, leaving.instruction), "utf-8")


def generation_config(leaving: Leaving) -> JsonObject:
    """How answers are made: greedy, as evaluated, ended by every mark that ends one here."""
    path = leaving.base.folder / "generation_config.json"
    config: JsonObject = json.loads(path.read_text("utf-8")) if path.exists() else {}
    config = {k: v for k, v in config.items() if k not in GREEDY}
    config["do_sample"] = False
    config["eos_token_id"] = sorted(leaving.renderer.end_ids)
    if leaving.renderer.stops:
        config["stop_strings"] = list(leaving.renderer.stops)
    return config


def write_generation(leaving: Leaving, folder: Path) -> None:
    """`generation_config.json`."""
    (folder / "generation_config.json").write_text(json.dumps(generation_config(leaving), indent=1), "utf-8")
