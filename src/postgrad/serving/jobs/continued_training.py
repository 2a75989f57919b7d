"""A job whose `model` is a fine-tuned model of this server: it is trained further, in the shape that it has."""

from __future__ import annotations

from dataclasses import dataclass

from postgrad.errors import ModelError
from postgrad.json_types import JsonObject
from postgrad.serving.inference.engine import Engine
from postgrad.serving.storage.store import Owner
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.job_requests import CreateJob
from postgrad.steps.arms.registered import split_name
from postgrad.steps.openai_jobs.weights import shape_of


@dataclass(frozen=True)
class Further:
    """What is trained further.

    Attributes:
        base: The base model's name.
        model: `name@version` of what it begins with.
        extra: postgrad's own settings of the job: the client's, and those that the shape of the weights demands.
    """

    base: str
    model: str
    extra: JsonObject


def further_of(engine: Engine, body: CreateJob, owner: Owner) -> Further | None:
    """What a job trains further; None where its `model` is no fine-tuned model that its owner may use.

    Raises:
        ApiError: the model cannot be trained further, or not with the settings that were asked for.
    """
    if body.base is not None:
        return None
    try:
        served = engine.find(body.model, owner.project, owner.organization)
    except ModelError:
        return None
    if (entry := served.entry) is None:
        return None
    if served.grounded:
        plain, _ = split_name(body.model)
        message = f"`{body.model}` is a model with passages of documents; continue fine-tuning {plain!r}."
        raise ApiError(400, message, "model_not_available", "model")
    try:
        engine.renderer(served)
    except ModelError as error:
        raise ApiError(400, str(error), "model_not_available", "model") from error
    shape, asked = shape_of(engine.blobs.get_folder(entry.blob)), body.own
    if asked.get("method_type") == "full" and shape["method_type"] != "full":
        shape = {}  # an adapter can begin a training of all weights
    if odd := next((k for k in shape if k in asked and asked[k] != shape[k]), None):
        message = (
            f"`{body.model}` was trained with {odd} {shape[odd]!r} and can only be continued with that; {asked[odd]!r}"
            " was requested."
        )
        raise ApiError(400, message, "invalid_value", odd)
    system = entry.details.get("system_prompt")
    own = {"system_prompt": system} if system else {}
    return Further(entry.base, entry.id, {**own, **asked, **shape, "start": entry.blob})
