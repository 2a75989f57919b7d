"""OpenAI's ways to fine-tune, and the objective that each is here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postgrad.json_types import JsonMapping, JsonObject
from postgrad.objectives import spec_of
from postgrad.training.rollouts import RolloutOptions

BASICS = ("batch_size", "learning_rate_multiplier", "n_epochs")
"""Hyperparameters of every way."""

CLIENT_NAMES = {"method": "method_type", "rank": "lora_rank", "alpha": "lora_alpha", "bits": "quantization"}
"""What clients of the server call some settings of the recipe."""


@dataclass(frozen=True)
class OpenAiMethod:
    """A way to fine-tune.

    Attributes:
        objective: What it is here.
        formats: Of training files that it takes.
        more: Hyperparameters beside `BASICS`.
        gives: Our settings that those and the method's other fields decide; no client gives them by our names.
        settings: (hyperparameters without `auto`, the client's section) → those settings.
    """

    objective: str
    formats: tuple[str, ...]
    more: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    settings: Callable[[JsonMapping, JsonMapping], JsonObject] = lambda numbers, section: {}


def _dpo(numbers: JsonMapping, section: JsonMapping) -> JsonObject:
    return {"beta": numbers["beta"]}


def _reinforcement(numbers: JsonMapping, section: JsonMapping) -> JsonObject:
    """`compute_multiplier` decides how many answers are tried for each prompt."""
    options = spec_of("grpo").options()
    usual = options.samples if isinstance(options, RolloutOptions) else 0
    return {
        "grader": section["grader"],
        "validate_every": numbers["eval_interval"],
        "eval_samples": numbers["eval_samples"],
        "samples": max(2, round(usual * numbers["compute_multiplier"])),
    }


METHODS: dict[str, OpenAiMethod] = {
    "supervised": OpenAiMethod("sft", ("chat", "completions")),
    "dpo": OpenAiMethod("dpo", ("preference",), ("beta",), ("beta",), _dpo),
    "reinforcement": OpenAiMethod(
        "grpo",
        ("reinforcement", "chat"),
        ("compute_multiplier", "eval_interval", "eval_samples"),
        ("grader", "held_out", "environment", "max_turns", "validate_every", "eval_samples", "samples"),
        _reinforcement,
    ),
}
