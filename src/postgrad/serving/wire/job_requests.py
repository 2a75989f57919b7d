"""The body of a job's creation: OpenAI's fields with their bounds, and postgrad's own settings beside them.

The SDK puts `extra_body={…}` at the top level, so `lora_rank` and its like stand beside `model`. Anything that is
neither OpenAI's nor ours is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from postgrad.serving.wire.strict import Strict

Auto = Literal["auto"]
Number = StrictFloat | StrictInt
Positive = Annotated[Number, Field(gt=0)]


class Hyperparameters(Strict):
    """What all methods share."""

    batch_size: Auto | Annotated[StrictInt, Field(ge=1, le=256)] | None = None
    learning_rate_multiplier: Auto | Positive | None = None
    n_epochs: Auto | Annotated[StrictInt, Field(ge=1, le=50)] | None = None


class DpoHyperparameters(Hyperparameters):
    """Those of dpo."""

    beta: Auto | Annotated[Number, Field(gt=0, le=2)] | None = None


class ReinforcementHyperparameters(Hyperparameters):
    """Those of reinforcement."""

    compute_multiplier: Auto | Annotated[Number, Field(gt=1e-5, le=10)] | None = None
    eval_interval: Auto | Annotated[StrictInt, Field(ge=1)] | None = None
    eval_samples: Auto | Annotated[StrictInt, Field(ge=1)] | None = None
    reasoning_effort: Literal["default", "low", "medium", "high"] | None = None


class Supervised(Strict):
    hyperparameters: Hyperparameters | None = None


class Dpo(Strict):
    hyperparameters: DpoHyperparameters | None = None


class Reinforcement(Strict):
    grader: dict[str, Any]
    hyperparameters: ReinforcementHyperparameters | None = None


class Method(Strict):
    """How to fine-tune."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: Supervised | None = None
    dpo: Dpo | None = None
    reinforcement: Reinforcement | None = None

    @model_validator(mode="after")
    def _complete(self) -> Method:
        if self.type == "reinforcement" and self.reinforcement is None:
            raise ValueError("method.reinforcement with a grader is required for the type 'reinforcement'")
        return self


class Wandb(Strict):
    project: StrictStr
    name: StrictStr | None = None
    entity: StrictStr | None = None
    tags: list[StrictStr] | None = None


class Integration(Strict):
    type: Literal["wandb"]
    wandb: Wandb


class Knobs(BaseModel):
    """postgrad's own settings; each is the recipe's setting of the same meaning (`recipes/main.yaml`)."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    base: StrictStr | None = None
    """Base model of this server to train, where `model` names one of OpenAI's."""
    method_type: Literal["lora", "qlora", "dora", "full"] | None = None
    lora_rank: Annotated[StrictInt, Field(ge=1, le=1024)] | None = None
    lora_alpha: Positive | None = None
    quantization: Literal["int8", "nf4"] | None = None
    """Format of the base's weights while training; implies `qlora`."""
    learning_rate: Positive | None = None
    """Peak rate itself; wins over `learning_rate_multiplier`."""
    schedule: Literal["cosine", "linear", "constant"] | None = None
    warmup: Annotated[Number, Field(ge=0, lt=1)] | None = None
    weight_decay: Annotated[Number, Field(ge=0, lt=1)] | None = None
    optimizer: Literal["adamw", "adamw8bit", "muon"] | None = None
    neftune: Annotated[Number, Field(ge=0)] | None = None
    max_steps: Annotated[StrictInt, Field(ge=1)] | None = None
    max_length: Annotated[StrictInt, Field(ge=8)] | None = None
    too_long: Literal["error", "truncate_prompt", "drop"] | None = None
    patience: Annotated[StrictInt, Field(ge=1)] | None = None
    token_budget: Annotated[StrictInt, Field(ge=64)] | None = None
    recompute: StrictBool | None = None
    loss: Literal["sigmoid", "robust", "ipo", "hinge", "grpo", "dr_grpo"] | None = None
    """Form of the loss of the methods dpo and reinforcement."""
    label_smoothing: Annotated[Number, Field(ge=0, lt=0.5)] | None = None
    """For dpo: the share of pairs reckoned to be swapped."""
    answer_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    """For reinforcement: the longest answer that is sampled."""
    temperature: Annotated[Number, Field(gt=0, le=2)] | None = None
    """For reinforcement: of the sampling."""
    repeats: Annotated[StrictInt, Field(ge=1, le=16)] | None = None
    """For reinforcement: optimiser steps with one batch of answers."""
    system_prompt: StrictStr | None = None
    """Put before every example without one, and before every request to the model."""
    accept: list[StrictStr] | None = None
    """Checks whose errors do not fail the job."""
    report: StrictBool | None = None
    """Compare the model with its base on the validation file when it is trained; costs the time of the answers."""
    forgetting: StrictBool | None = None
    """Measure general ability before and after for the report."""


class CreateJob(Knobs, Strict):
    """A fine-tuning job to be."""

    model: Annotated[StrictStr, Field(min_length=1, max_length=512)]
    training_file: StrictStr
    validation_file: StrictStr | None = None
    suffix: Annotated[StrictStr, Field(min_length=1, max_length=64)] | None = None
    seed: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)] | None = None
    metadata: (
        Annotated[
            dict[Annotated[str, Field(max_length=64)], Annotated[StrictStr, Field(max_length=512)]],
            Field(max_length=16),
        ]
        | None
    ) = None
    integrations: Annotated[list[Integration], Field(max_length=5)] | None = None
    method: Method | None = None
    hyperparameters: Hyperparameters | None = None

    @property
    def knobs(self) -> dict[str, Any]:
        """postgrad's own settings that were given."""
        return self.model_dump(include=set(Knobs.model_fields), exclude_none=True)

    @property
    def asked_method(self) -> dict[str, Any]:
        """The method with all its hyperparameters, `auto` where none is given; the deprecated ones at the top count
        too."""
        kind = self.method.type if self.method else "supervised"
        own = getattr(self.method, kind) if self.method else None
        given = own.hyperparameters.model_dump(exclude_none=True) if own and own.hyperparameters else {}
        if kind == "supervised" and self.hyperparameters:
            given = {**self.hyperparameters.model_dump(exclude_none=True), **given}
        names = ["batch_size", "learning_rate_multiplier", "n_epochs", *_MORE[kind]]
        section: dict[str, Any] = {"hyperparameters": {**dict.fromkeys(names, "auto"), **given}}
        if isinstance(own, Reinforcement):
            section["grader"] = own.grader
            section["hyperparameters"].setdefault("reasoning_effort", "default")
        return {"type": kind, kind: section}


_MORE = {
    "supervised": [],
    "dpo": ["beta"],
    "reinforcement": ["compute_multiplier", "eval_interval", "eval_samples"],
}
