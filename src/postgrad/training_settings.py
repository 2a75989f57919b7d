"""How a model is trained, as plain values: each setting is declared here or with its objective, once, for the recipe,
the plan of a training and the jobs of the server. Imports no torch.

Objectives have options of their own (postgrad/objectives.py): they stand beside the common settings, are checked by the
objective's own type, and are read as `options`.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from postgrad.json_types import JsonObject
from postgrad.objectives import Options, names, owners, spec_of

_EARLIER = {"samples": 8, "answer_tokens": 256, "temperature": 1.0, "ratio_clip": 0.2, "repeats": 1, "eval_samples": 1}
"""What recipes copied from an earlier `recipes/main.yaml` say of grpo, whatever their objective is."""


class MethodSettings(BaseModel):
    """What is trained."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True)

    method: Literal["lora", "qlora", "dora", "full"] = "lora"
    """What is trained: low-rank adapters, the same over packed base weights, with separate lengths, or all weights."""
    rank: int = Field(default=16, ge=1, le=1024)
    """Rank of the adapters."""
    alpha: float = Field(default=32.0, gt=0)
    """Scale of the adapters: updates are multiplied by alpha/rank."""
    targets: str = "all-linear"
    """Which linear layers get adapters: all, or names separated by commas (q_proj,v_proj)."""
    rslora: bool = False
    """Scale by alpha/√rank instead: for high ranks."""
    bits: Literal["int8", "nf4"] | None = None
    """Format of the base weights under qlora. None: nf4 on a GPU, int8 on a CPU."""
    start: str | None = None
    """Registered model that is trained further: NAME, NAME@VERSION, or the digest (sha256:…) of its weights. None: the
    base alone."""
    embeddings: bool = False
    """Whether method full trains the embeddings (and a head that is the same matrix) too."""


class LoopSettings(BaseModel):
    """What the training loop reads as it stands."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, frozen=True)

    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """What the rate does after the warm-up."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps in which the rate rises."""
    optimizer: Literal["adamw", "adamw8bit", "muon"] = "adamw"
    """adamw8bit needs bitsandbytes; muon is for the matrices of method full."""
    weight_decay: float = Field(default=0.0, ge=0, lt=1)
    """Decoupled decay of the trained matrices."""
    batch_size: int = Field(default=4, ge=1)
    """Examples in one optimiser step, over all processes."""
    patience: int = Field(default=3, ge=1)
    """After so many validations without improvement the training comes to its end, from its best weights on."""
    token_budget: int = Field(default=2048, ge=64)
    """Tokens in one microbatch; changes memory and speed, never the result beyond rounding."""
    guards: Literal["stop", "warn", "off"] = "stop"
    """Whether a training that goes wrong (docs/training.md, Guards) ends early, only warns, or is not watched."""
    kl_limit: float | None = Field(default=None, gt=0)
    """Guard: nats a token (kto: an answer) that the model may move from where it started. None: any number."""

    @model_validator(mode="after")
    def _watched(self) -> Self:
        if self.kl_limit is not None and self.guards == "off":
            raise ValueError("kl_limit is watched by guards, and guards are off: leave one of them out")
        return self


class TrainingSettings(MethodSettings, LoopSettings):
    """A whole training; the options of its objective are extra fields."""

    model_config = ConfigDict(extra="allow")

    objective: str = "sft"
    """What training learns from; docs/training.md has the table of objectives and their own settings."""
    neftune: float = Field(default=0.0, ge=0)
    """Alpha of the noise on embeddings while training (NEFTune); 5 is usual; 0 for none."""
    learning_rate: float | None = Field(default=None, gt=0)
    """Peak rate. None: what is usual for objective, method, size of the model and number of steps."""
    learning_rate_factor: float = Field(default=1.0, gt=0)
    """Times the usual rate, where none is given."""
    epochs: float = Field(default=3.0, gt=0)
    """Passes over the training data, unless stopped early."""
    max_steps: int | None = Field(default=None, ge=1, le=1_000_000_000)
    """At most so many optimiser steps."""
    max_length: int | None = Field(default=None, ge=8)
    """Longest example in tokens. None: the model's context. For pretrain the window, 1,024 when None."""
    too_long: Literal["error", "truncate_prompt", "drop"] = "error"
    """What happens to longer ones; counted either way; the answer is never cut."""
    validations: int = Field(default=5, ge=1)
    """How often validation is measured in a whole training."""
    validate_every: int | None = Field(default=None, ge=1)
    """Steps between validations, instead of validations."""
    recompute: bool = False
    """Compute layers again in the backward pass instead of keeping what they need: a third slower, far less memory."""
    replay_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the mixed examples that is general."""
    replay_divergence: float = Field(default=0.0, ge=0)
    """Above 0: general examples hold the model to the base's answers (this times the KL divergence) instead of to their
    own."""
    replay_kl_target: float = Field(default=0.05, ge=0)
    """How far the model may move on the base's own answers (`base_replay`), in nats a token: the divergence's weight is
    raised while it is farther. 0: the weight stays."""
    base_replay: float | None = Field(default=None, ge=0, lt=1)
    """Share of the mixed examples that are the base's own answers to general prompts, so that its conduct is kept.
    0: none. None: 0.1 in `postgrad run` where the objective is sft or pretrain and `replay` names no files (0.2 in
    fewer than 100 steps); none elsewhere."""
    snapshots: int = Field(default=0, ge=0)
    """Keep the trained weights as they are after each of the last so many passes, beside the run's checkpoints."""
    blend: bool = False
    """Average the trained weights with the base's, as far as validation does not suffer."""

    @property
    def options(self) -> Options:
        """The objective's own settings, typed, with its defaults."""
        return spec_of(self.objective).options(**(self.model_extra or {}))

    def peak_rate(self, width: int, steps: int) -> float:
        """The learning rate, or what is usual for the objective.

        Args:
            width: Hidden size of the model.
            steps: Of the whole training.
        """
        usual = spec_of(self.objective).rates.of(self.method, width, steps)
        return self.learning_rate or self.learning_rate_factor * usual

    def values(self) -> JsonObject:
        """All settings by name, the objective's options with their defaults among them."""
        return {**self.model_dump(), **asdict(self.options)}

    @model_validator(mode="wrap")
    @classmethod
    def _with_options(cls, raw: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Checks the fields that are not common by the objective's own type; all faults are told together."""
        if not isinstance(raw, dict):
            return handler(raw)
        own = {name: value for name, value in raw.items() if name in cls.model_fields}
        others = {name: value for name, value in raw.items() if name not in own}
        options, faults = _options(own.get("objective", "sft"), others)
        try:
            made = handler({**own, **options})
        except ValidationError as error:
            faults = [*map(_again, error.errors()), *faults]
            raise ValidationError.from_exception_data(cls.__name__, faults) from error
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return made


def _options(objective: Any, given: JsonObject) -> tuple[JsonObject, list[InitErrorDetails]]:
    """The options that are the objective's, converted; what is wrong with the others."""
    if objective not in (known := names()):
        return {}, [_fault(f"Input should be {_or(known)}", objective, "objective", kind="literal_error")]
    spec = spec_of(objective)
    mine = {name: value for name, value in given.items() if name in spec.fields and value is not None}
    faults = [f for name, value in given.items() if name not in spec.fields for f in _odd(objective, name, value)]
    try:
        options = spec.options(**mine)
    except ValidationError as error:
        return {}, [*faults, *(_of_option(objective, told) for told in error.errors())]
    return {name: getattr(options, name) for name in mine}, faults


def _odd(objective: str, name: str, value: Any) -> list[InitErrorDetails]:
    """What is wrong with a setting that the objective does not read."""
    readers = owners(name)
    if not readers:
        return [InitErrorDetails(type="extra_forbidden", loc=(name,), input=value)]
    if value is None or (name in _EARLIER and value == _EARLIER[name]):
        return []
    if len(readers) == 1:
        return [_fault(f"{name} is for the objective {readers[0]}, not for {objective}", value)]
    return [_fault(f"{name} is read by {', '.join(readers)}, not by {objective}", value)]


def _of_option(objective: str, told: ErrorDetails) -> InitErrorDetails:
    """A fault of an option; a choice that is none is told with the objective's choices."""
    if told["type"] != "literal_error":
        return _again(told)
    choices = told.get("ctx", {})["expected"].replace("'", "").replace(" or ", ", ")
    return _fault(f"the {told['loc'][-1]} {told['input']!r} is not one of {objective}: {choices}", told["input"])


def _again(told: ErrorDetails) -> InitErrorDetails:
    return InitErrorDetails(type=told["type"], loc=told["loc"], input=told["input"], ctx=told.get("ctx", {}))


def _fault(
    sentence: str, value: Any, *place: str, kind: Literal["value_error", "literal_error"] = "value_error"
) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(kind, "{said}", {"said": sentence}), loc=place, input=value)


def _or(words: list[str]) -> str:
    quoted = [repr(word) for word in words]
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"
