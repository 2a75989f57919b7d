"""Leave for other projects of the organisation to use a checkpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import Field, StrictStr
from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from postgrad.json_types import JsonObject
from postgrad.registry.job_tables import CheckpointRow, JobRow, PermissionRow
from postgrad.serving.storage.store import Owner, ReadingOwner, Store, WritingOwner, new_id, now
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.paging import listed, page
from postgrad.serving.wire.strict import Strict
from postgrad.serving.wire.strict_json import ApiRouter

router = ApiRouter(tags=["fine-tuning"])
_PERMISSIONS = "/v1/fine_tuning/checkpoints/{checkpoint:path}/permissions"


class Projects(Strict):
    """Who may use a checkpoint."""

    project_ids: Annotated[
        list[Annotated[StrictStr, Field(min_length=1, max_length=128)]], Field(min_length=1, max_length=100)
    ]


@router.get(_PERMISSIONS)
def permissions(
    checkpoint: str,
    request: Request,
    owner: ReadingOwner,
    project_id: str | None = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    order: Literal["ascending", "descending"] = "descending",
) -> JsonObject:
    store: Store = request.app.state.store
    with store.reading() as session:
        query = _of(_model_of(session, owner, checkpoint), owner)
        if project_id is not None:
            query = query.where(PermissionRow.project_id == project_id)
        rows, more = page(session, query, PermissionRow, after, limit, order == "descending")
    return listed([_view(row) for row in rows], more)


@router.post(_PERMISSIONS)
def permit(checkpoint: str, body: Projects, request: Request, owner: WritingOwner) -> JsonObject:
    store: Store = request.app.state.store
    with store.writing() as session:
        model = _model_of(session, owner, checkpoint)
        known = {row.project_id: row for row in session.scalars(_of(model, owner))}
        for project in dict.fromkeys(body.project_ids):
            if project not in known:
                known[project] = PermissionRow(
                    id=new_id("cp_"),
                    organization=owner.organization,
                    checkpoint=model,
                    project_id=project,
                    created_at=now(),
                )
                session.add(known[project])
    return listed([_view(known[project]) for project in dict.fromkeys(body.project_ids)], False)


@router.delete(_PERMISSIONS + "/{permission_id}")
def forbid(checkpoint: str, permission_id: str, request: Request, owner: WritingOwner) -> JsonObject:
    store: Store = request.app.state.store
    with store.writing() as session:
        model = _model_of(session, owner, checkpoint)
        row = session.scalars(_of(model, owner).where(PermissionRow.id == permission_id)).first()
        if row is None:
            raise ApiError(404, f"Could not find permission: {permission_id}", "permission_not_found", "permission_id")
        session.execute(delete(PermissionRow).where(PermissionRow.id == permission_id))
    return {"id": permission_id, "object": "checkpoint.permission", "deleted": True}


def _model_of(session: Session, owner: Owner, checkpoint: str) -> str:
    """A checkpoint's model, by that name or by the checkpoint's id; a job's last model counts as its last checkpoint.

    Raises:
        ApiError: this owner has no such checkpoint.
    """
    mine = (JobRow.organization == owner.organization, JobRow.project == owner.project)
    named = (CheckpointRow.model == checkpoint) | (CheckpointRow.id == checkpoint)
    query = select(CheckpointRow.model).join(JobRow, JobRow.id == CheckpointRow.job_id).where(named, *mine)
    model = session.scalar(query) or session.scalar(
        select(JobRow.fine_tuned_model).where(JobRow.fine_tuned_model == checkpoint, *mine)
    )
    if model is None:
        message = f"Could not find checkpoint: {checkpoint}"
        raise ApiError(404, message, "checkpoint_not_found", "fine_tuned_model_checkpoint")
    return model


def _of(model: str, owner: Owner) -> Select[PermissionRow]:
    return select(PermissionRow).where(
        PermissionRow.checkpoint == model, PermissionRow.organization == owner.organization
    )


def _view(row: PermissionRow) -> JsonObject:
    return {
        "id": row.id,
        "object": "checkpoint.permission",
        "created_at": row.created_at,
        "project_id": row.project_id,
    }
