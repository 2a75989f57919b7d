"""`/v1/files`: upload, list, retrieve, read and delete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, Query, Request
from fastapi.responses import FileResponse
from sqlalchemy import Select, delete, or_, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from postgrad.json_types import JsonObject
from postgrad.registry.job_tables import FileRow
from postgrad.serving.storage import file_contents
from postgrad.serving.storage.multipart import UploadedForm, read_form
from postgrad.serving.storage.store import Owner, Store, new_id, now, owner_of, writer_of
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.paging import listed, page
from postgrad.serving.wire.strict_json import ApiRouter

LIFETIME = (3600, 2_592_000)
"""Seconds that `expires_after` may name."""
router = ApiRouter(prefix="/v1/files", tags=["files"])


@router.post("")
async def create(request: Request, owner: Annotated[Owner, Depends(writer_of)]) -> JsonObject:
    """Multipart: `purpose`, `file`, and optionally `expires_after[anchor]` and `expires_after[seconds]`."""
    store: Store = request.app.state.store
    with file_contents.incoming() as path:
        form = await read_form(request, "file", path, file_contents.max_file())
        purpose, lifetime = _fields(form)
        return await run_in_threadpool(lambda: view(add_file(store, owner, path, form, purpose, lifetime)))


@router.get("")
def list_files(
    request: Request,
    owner: Annotated[Owner, Depends(owner_of)],
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
    order: Literal["asc", "desc"] = "desc",
    purpose: str | None = None,
) -> JsonObject:
    store: Store = request.app.state.store
    query = _visible(owner)
    if purpose is not None:
        query = query.where(FileRow.purpose == purpose)
    with store.reading() as session:
        rows, more = page(session, query, FileRow, after, limit, order == "desc")
    return listed([view(row) for row in rows], more)


@router.get("/{file_id}")
def retrieve(file_id: str, request: Request, owner: Annotated[Owner, Depends(owner_of)]) -> JsonObject:
    return view(find_file(request.app.state.store, owner, file_id))


@router.get("/{file_id}/content", response_class=FileResponse)
def read(file_id: str, request: Request, owner: Annotated[Owner, Depends(owner_of)]) -> FileResponse:
    row = find_file(request.app.state.store, owner, file_id)
    path = file_contents.content_path(row.id)
    if not path.exists():
        raise _unknown(file_id)
    return FileResponse(path, media_type="application/octet-stream", filename=row.filename)


@router.delete("/{file_id}")
def remove(file_id: str, request: Request, owner: Annotated[Owner, Depends(writer_of)]) -> JsonObject:
    store: Store = request.app.state.store
    row = find_file(store, owner, file_id)
    with store.writing() as session:
        session.execute(delete(FileRow).where(FileRow.id == row.id))
    file_contents.forget(row.id)
    return {"id": row.id, "object": "file", "deleted": True}


def view(row: FileRow) -> JsonObject:
    """OpenAI's file object."""
    return {
        "id": row.id,
        "object": "file",
        "bytes": row.bytes,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "filename": row.filename,
        "purpose": row.purpose,
        "status": "processed",
        "status_details": None,
    }


def find_file(store: Store, owner: Owner, file_id: str, param: str = "id") -> FileRow:
    """A file of this owner that has not expired.

    Raises:
        ApiError: there is none; 404, or 400 where another field than the path named it.
    """
    with store.reading() as session:
        row = session.scalars(_visible(owner).where(FileRow.id == file_id)).first()
    if row is None:
        raise _unknown(file_id, param)
    return row


def add_file(store: Store, owner: Owner, path: Path, form: UploadedForm, purpose: str, lifetime: int | None) -> FileRow:
    """Checks an incoming file, gives it an id, and registers it."""
    if purpose == "fine-tune":
        file_contents.refuse_unless_json_lines(path)
    created = now()
    row = FileRow(
        id=new_id("file-"),
        organization=owner.organization,
        project=owner.project,
        created_at=created,
        expires_at=None if lifetime is None else created + lifetime,
        filename=(form.filename or "upload")[:512],
        purpose=purpose,
        bytes=form.size,
        digest=form.digest,
    )
    file_contents.keep(path, row.id)
    with store.writing() as session:
        session.add(row)
    return row


def remove_expired(session: Session) -> list[str]:
    """Removes the rows of expired files; returns their ids."""
    ids = list(session.scalars(select(FileRow.id).where(FileRow.expires_at <= now())))
    session.execute(delete(FileRow).where(FileRow.id.in_(ids)))
    return ids


def checked_purpose(purpose: str | None) -> str:
    """A purpose that uploads may have."""
    if purpose is None:
        raise ApiError(400, "Missing required parameter: 'purpose'.", "missing_required_parameter", "purpose")
    if purpose not in file_contents.PURPOSES:
        allowed = ", ".join(file_contents.PURPOSES)
        raise ApiError(400, f"Invalid value: {purpose!r}. Supported values are: {allowed}.", "invalid_value", "purpose")
    return purpose


def checked_lifetime(anchor: str | None, seconds: str | int | None) -> int | None:
    """The seconds of `expires_after`, or None without it."""
    if anchor is None and seconds is None:
        return None
    low, high = LIFETIME
    if anchor != "created_at":
        message = f"Invalid value for 'expires_after.anchor': {anchor!r}. Use 'created_at'."
        raise ApiError(400, message, "invalid_value", "expires_after.anchor")
    if not (text := str(seconds)).isdecimal() or len(text) > 12 or not low <= int(text) <= high:
        message = f"Invalid value for 'expires_after.seconds': {seconds!r}. Give a whole number from {low} to {high}."
        raise ApiError(400, message, "invalid_value", "expires_after.seconds")
    return int(text)


def _fields(form: UploadedForm) -> tuple[str, int | None]:
    if form.filename is None:
        raise ApiError(400, "Missing required parameter: 'file'.", "missing_required_parameter", "file")
    known = {"purpose", "expires_after[anchor]", "expires_after[seconds]"}
    if odd := sorted(set(form.fields) - known):
        raise ApiError(400, f"Unknown parameter: {odd[0]!r}.", "unknown_parameter", odd[0])
    lifetime = checked_lifetime(form.fields.get("expires_after[anchor]"), form.fields.get("expires_after[seconds]"))
    return checked_purpose(form.fields.get("purpose")), lifetime


def _visible(owner: Owner) -> Select[FileRow]:
    mine = (FileRow.organization == owner.organization, FileRow.project == owner.project)
    return select(FileRow).where(*mine, or_(FileRow.expires_at.is_(None), FileRow.expires_at > now()))


def _unknown(file_id: str, param: str = "id") -> ApiError:
    return ApiError(404 if param == "id" else 400, f"No such File object: {file_id}", None, param)
