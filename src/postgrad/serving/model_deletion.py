"""`DELETE /v1/models/{model}`: fine-tuned models can be deleted, base models stay."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from postgrad.errors import ModelError
from postgrad.serving.engine import Engine
from postgrad.serving.errors import ApiError, unknown_model
from postgrad.serving.store import DEFAULT_ORGANIZATION, DEFAULT_PROJECT, Owner, writer_of

router = APIRouter(tags=["models"])


@router.delete("/v1/models/{name:path}")
def remove(name: str, request: Request, owner: Annotated[Owner, Depends(writer_of)]) -> dict[str, Any]:
    """Deletes a fine-tuned model, or one version of it; base models stay."""
    engine: Engine = request.app.state.engine
    if name in engine.bases:
        message = f"The model `{name}` is a base model of this server and cannot be deleted."
        raise ApiError(403, message, "insufficient_permissions", "model")
    try:
        entry = engine.catalogue.get(name)
    except ModelError:
        raise unknown_model(name) from None
    theirs = (
        entry.details.get("organization", DEFAULT_ORGANIZATION),
        entry.details.get("project", DEFAULT_PROJECT),
    )
    if theirs != (owner.organization, owner.project):
        raise unknown_model(name)
    engine.catalogue.delete(entry.id)
    return {"id": name, "object": "model", "deleted": True}
