"""Which settings a further training must have, so that it fits the weights that it begins with."""

from __future__ import annotations

import json
from pathlib import Path

from postgrad.json_types import JsonObject
from postgrad.models.adapters.trained_weights import WEIGHTS


def shape_of(folder: Path) -> JsonObject:
    """The settings of a job that fit trained weights, by their names in `extra_body` (or in a recipe)."""
    if (folder / WEIGHTS).exists():
        from safetensors import safe_open

        with safe_open(str(folder / WEIGHTS), "pt") as file:  # pyright: ignore[reportUnknownVariableType]
            outer = any("embed" in name for name in file.keys())  # noqa: SIM118
        return {"method_type": "full", **({"embeddings": True} if outer else {})}
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    bits = config.get("postgrad_bits")
    method = "dora" if config.get("use_dora") else "qlora" if bits else "lora"
    return {
        "method_type": method,
        "lora_rank": int(config["r"]),
        "lora_alpha": float(config["lora_alpha"]),
        "rslora": bool(config.get("use_rslora")),
        "targets": ",".join(config["target_modules"]),
        **({"quantization": bits} if bits else {}),
    }
