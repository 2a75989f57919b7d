"""The body of a job's creation: OpenAI's fields with their bounds, and postgrad's own settings beside them.

The SDK puts `extra_body={…}` at the top level, so `lora_rank` and its like stand beside `model`. Anything that is
neither OpenAI's nor ours is refused.
"""

from __future__ import annotations

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    create_model,
    model_validator,
)
from pydantic import Strict as StrictValue
from pydantic.fields import FieldInfo

from postgrad.json_types import JsonObject
from postgrad.objectives import spec_of
from postgrad.serving.wire.strict import Strict
from postgrad.steps.openai_jobs.methods import BASICS, CLIENT_NAMES, METHODS
from postgrad.training_settings import TrainingSettings

Auto = Literal["auto"]
Number = StrictFloat | StrictInt


class Hyperparameters(Strict):
    """What all methods share."""

    batch_size: Auto | Annotated[StrictInt, Field(ge=1, le=256)] | None = None
    learning_rate_multiplier: Auto | Annotated[Number, Field(gt=0, le=1000)] | None = None
    n_epochs: Auto | Annotated[StrictInt, Field(ge=1, le=50)] | None = None


class DpoHyperparameters(Hyperparameters):
    """Hyperparameters of dpo."""

    beta: Auto | Annotated[Number, Field(gt=0, le=2)] | None = None


class ReinforcementHyperparameters(Hyperparameters):
    """Hyperparameters of reinforcement."""

    compute_multiplier: Auto | Annotated[Number, Field(gt=1e-5, le=10)] | None = None
    eval_interval: Auto | Annotated[StrictInt, Field(ge=1)] | None = None
    eval_samples: Auto | Annotated[StrictInt, Field(ge=1)] | None = None
    reasoning_effort: Literal["default", "low", "medium", "high"] | None = None


class Supervised(Strict):
    hyperparameters: Hyperparameters | None = None


class Dpo(Strict):
    hyperparameters: DpoHyperparameters | None = None


class Reinforcement(Strict):
    grader: JsonObject
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


Word = Annotated[StrictStr, Field(max_length=512)]


class Wandb(Strict):
    project: Word
    name: Word | None = None
    entity: Word | None = None
    tags: Annotated[list[Word], Field(max_length=64)] | None = None


class Integration(Strict):
    type: Literal["wandb"]
    wandb: Wandb


class _Beside(BaseModel):
    """What is not of the training itself."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    base: Word | None = None
    """Base model of this server to train, where `model` names one of OpenAI's."""
    system_prompt: StrictStr | None = None
    """Put before every example without one, and before every request to the model."""
    accept: Annotated[list[Word], Field(max_length=64)] | None = None
    """Checks whose errors do not fail the job."""
    report: StrictBool | None = None
    """Compare the model with its base on the validation file when it is trained; costs the time of the answers."""
    forgetting: StrictBool | None = None
    """Measure general ability before and after for the report."""


_SHARED = (
    *("method", "rank", "alpha", "bits", "learning_rate", "schedule", "warmup", "weight_decay", "optimizer", "neftune"),
    *("max_steps", "max_length", "too_long", "patience", "token_budget", "recompute", "guards", "kl_limit"),
)
"""Settings of every training that a client may give."""


def _wire_fields() -> JsonObject:
    """The recipe's settings as fields of the body: as strict as the others, and of no value unless given."""
    found: dict[str, list[tuple[str, FieldInfo]]] = {}
    given = {name for method in METHODS.values() for name in method.gives}
    for way, method in METHODS.items():
        for name, info in spec_of(method.objective).fields.items():
            if name not in given:
                found.setdefault(name, []).append((way, info))
    fields = {CLIENT_NAMES.get(name, name): _field([TrainingSettings.model_fields[name]]) for name in _SHARED}
    for name, read in found.items():
        fields[name] = _field([info for _, info in read], f"For {' and '.join(way for way, _ in read)}: ")
    return fields


def _field(infos: list[FieldInfo], said_before: str = "") -> Any:
    """A field for a client's setting; where several objectives read one, it takes the choices of all."""
    inner = [kind for info in infos for kind in _without_none(info.annotation)]
    choices = tuple(choice for kind in inner if get_origin(kind) is Literal for choice in get_args(kind))
    kind: Any = Literal[choices] if choices else Annotated[(inner[0], *infos[0].metadata, StrictValue())]
    return (kind | None, Field(default=None, description=said_before + (infos[0].description or "")))


def _without_none(annotation: Any) -> list[Any]:
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [part for part in parts if part is not NoneType]


OwnSettings: type[_Beside] = create_model("OwnSettings", __base__=_Beside, **_wire_fields())
"""postgrad's own settings, which stand beside OpenAI's: each is the recipe's setting of the same meaning."""


class CreateJob(OwnSettings, Strict):
    """The body that creates a fine-tuning job."""

    model: Annotated[StrictStr, Field(min_length=1, max_length=512)]
    training_file: Word
    validation_file: Word | None = None
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
    def own(self) -> JsonObject:
        """postgrad's own settings that were given."""
        return self.model_dump(include=set(OwnSettings.model_fields), exclude_none=True)

    @property
    def asked_method(self) -> JsonObject:
        """The method with all its hyperparameters, `auto` where none is given; the deprecated ones at the top count
        too."""
        kind = self.method.type if self.method else "supervised"
        own = getattr(self.method, kind) if self.method else None
        given = own.hyperparameters.model_dump(exclude_none=True) if own and own.hyperparameters else {}
        if kind == "supervised" and self.hyperparameters:
            given = {**self.hyperparameters.model_dump(exclude_none=True), **given}
        names = [*BASICS, *METHODS[kind].more]
        section: JsonObject = {"hyperparameters": {**dict.fromkeys(names, "auto"), **given}}
        if isinstance(own, Reinforcement):
            section["grader"] = own.grader
            section["hyperparameters"].setdefault("reasoning_effort", "default")
        return {"type": kind, kind: section}
