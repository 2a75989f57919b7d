"""`/v1/models`: what can be asked, by its names; registered models can be deleted."""

from __future__ import annotations

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from postgrad.errors import ModelError, UsageError
from postgrad.json_types import JsonObject
from postgrad.serving.access.auth import Caller, caller_of
from postgrad.serving.api.embeddings import EMBEDDER
from postgrad.serving.inference.engine import Engine
from postgrad.serving.wire.api_errors import ApiError, unknown_model
from postgrad.serving.wire.response_schemas import Deleted, Model, ModelList
from postgrad.serving.wire.strict_json import ApiRouter
from postgrad.steps.arms.registered import RAG


def models_router(engine: Engine) -> ApiRouter:
    """The routes. Ids may hold `/`, which OpenAI's SDK sends as `%2F`: the path is decoded before it comes here.

    Args:
        engine: Knows the models.
    """
    router = ApiRouter(tags=["Models"])

    def listed(caller: Caller) -> list[JsonObject]:
        found = [*engine.names(caller.project, caller.organization), (EMBEDDER, 0, "postgrad")]
        return [{"id": name, "object": "model", "created": at, "owned_by": owner} for name, at, owner in found]

    @router.get("/v1/models", response_model=ModelList, operation_id="listModels")
    def models(request: Request) -> JsonObject:
        """Every name that can be asked."""
        return {"object": "list", "data": listed(caller_of(request))}

    @router.get("/v1/models/{model:path}", response_model=Model, operation_id="retrieveModel")
    def retrieve(request: Request, model: str) -> JsonObject:
        """One model by its name."""
        found = next((item for item in listed(caller_of(request)) if item["id"] == model), None)
        if found is None:
            raise unknown_model(model)
        return found

    @router.delete("/v1/models/{model:path}", response_model=Deleted, operation_id="deleteModel")
    async def delete(request: Request, model: str) -> JsonObject:
        """Takes a registered model out of the catalogue; a version that an alias points to is refused."""
        await run_in_threadpool(_delete, engine, model, caller_of(request))
        return {"id": model, "object": "model", "deleted": True}

    return router


def _delete(engine: Engine, name: str, caller: Caller) -> None:
    if name in (*engine.bases, *engine.aliases, EMBEDDER):
        raise ApiError(
            403, f"{name!r} is not a tuned model; only those can be deleted.", "insufficient_permissions", "model"
        )
    try:
        entry = engine.find(name, caller.project, caller.organization).entry
    except ModelError:
        raise unknown_model(name) from None
    if entry is None or name.endswith(RAG):
        raise unknown_model(name)
    if entry.details.get("project") not in (None, caller.project):
        raise ApiError(
            403, f"{name!r} belongs to another project, which lets yours use it.", "insufficient_permissions", "model"
        )
    if caller.role != "admin" and entry.details.get("project") is None:
        raise ApiError(
            403,
            f"{name!r} belongs to no project; deleting it requires an administrator's key.",
            "insufficient_permissions",
            "model",
        )
    try:
        engine.catalogue.delete(entry.id)
    except UsageError as error:
        raise ApiError(400, str(error), "model_in_use", "model") from None
