"""`/v1/uploads`: a large file in parts."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

from fastapi import Depends, Request
from pydantic import Field, StrictInt, StrictStr
from sqlalchemy import select, update
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from postgrad.json_types import JsonObject
from postgrad.registry.job_tables import FileRow, PartRow, UploadRow
from postgrad.serving.api import files
from postgrad.serving.storage import file_contents
from postgrad.serving.storage.multipart import UploadedForm, read_form
from postgrad.serving.storage.store import Owner, Store, new_id, now, owner_of, writer_of
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.strict import Strict
from postgrad.serving.wire.strict_json import ApiRouter

LIFETIME = 3600
"""Seconds in which an upload must be completed."""
router = ApiRouter(prefix="/v1/uploads", tags=["uploads"])


class ExpiresAfter(Strict):
    """When the file expires."""

    anchor: Literal["created_at"]
    seconds: Annotated[StrictInt, Field(ge=files.LIFETIME[0], le=files.LIFETIME[1])]


class CreateUpload(Strict):
    """The body that creates an upload."""

    purpose: StrictStr
    filename: Annotated[StrictStr, Field(min_length=1, max_length=512)]
    bytes: Annotated[StrictInt, Field(ge=1, le=file_contents.MAX_UPLOAD)]
    mime_type: StrictStr
    expires_after: ExpiresAfter | None = None


class CompleteUpload(Strict):
    """The parts, in their order."""

    part_ids: Annotated[list[StrictStr], Field(min_length=1)]
    md5: StrictStr | None = None


@router.post("")
def create(body: CreateUpload, request: Request, owner: Annotated[Owner, Depends(writer_of)]) -> JsonObject:
    store: Store = request.app.state.store
    row = UploadRow(
        id=new_id("upload_"),
        organization=owner.organization,
        project=owner.project,
        created_at=now(),
        expires_at=now() + LIFETIME,
        filename=body.filename,
        purpose=files.checked_purpose(body.purpose),
        bytes=body.bytes,
        lifetime=body.expires_after.seconds if body.expires_after else None,
        status="pending",
        file_id=None,
    )
    with store.writing() as session:
        session.add(row)
    return _view(row)


@router.post("/{upload_id}/parts")
async def add_part(upload_id: str, request: Request, owner: Annotated[Owner, Depends(writer_of)]) -> JsonObject:
    """Multipart: `data`, at most 64 MB."""
    store: Store = request.app.state.store
    await run_in_threadpool(_pending, store, owner, upload_id)
    with file_contents.incoming() as path:
        form = await read_form(request, "data", path, file_contents.MAX_PART)
        if form.filename is None:
            raise ApiError(400, "Missing required parameter: 'data'.", "missing_required_parameter", "data")
        return await run_in_threadpool(_keep_part, store, owner, upload_id, path, form)


@router.post("/{upload_id}/complete")
def complete(
    upload_id: str, body: CompleteUpload, request: Request, owner: Annotated[Owner, Depends(writer_of)]
) -> JsonObject:
    store: Store = request.app.state.store
    row = _pending(store, owner, upload_id)
    with store.reading() as session:
        parts = {p.id: p for p in session.scalars(select(PartRow).where(PartRow.upload_id == row.id))}
    if odd := [p for p in body.part_ids if p not in parts]:
        raise ApiError(400, f"The upload has no part {odd[0]!r}.", "invalid_value", "part_ids")
    if len(set(body.part_ids)) < len(body.part_ids):
        raise ApiError(400, "A part is named twice.", "invalid_value", "part_ids")
    size = sum(parts[p].bytes for p in body.part_ids)
    if size != row.bytes:
        message = f"The parts have {size:,} bytes, but the upload was announced with {row.bytes:,}."
        raise ApiError(400, message, "invalid_value", "part_ids")
    with file_contents.incoming() as path:
        file_contents.joined(body.part_ids, path)
        form = _described(row, path, size)
        if body.md5 is not None and body.md5.lower() != form.md5:
            message = f"The MD5 of the parts is {form.md5}, not {body.md5}."
            raise ApiError(400, message, "invalid_value", "md5")
        file = files.add_file(store, owner, path, form, row.purpose, row.lifetime)
    _leave(store, row, "completed", file.id)
    for part in parts:
        file_contents.forget(part)
    return _view(row, file)


@router.post("/{upload_id}/cancel")
def cancel(upload_id: str, request: Request, owner: Annotated[Owner, Depends(writer_of)]) -> JsonObject:
    store: Store = request.app.state.store
    row = _pending(store, owner, upload_id)
    _leave(store, row, "cancelled", None)
    for part in _parts(store, row.id):
        file_contents.forget(part)
    return _view(row)


@router.get("/{upload_id}")
def retrieve(upload_id: str, request: Request, owner: Annotated[Owner, Depends(owner_of)]) -> JsonObject:
    """An extension: OpenAI's service has no such path."""
    return _view(_find(request.app.state.store, owner, upload_id))


def expire(session: Session) -> list[str]:
    """Marks uploads whose hour is over; returns the ids of their parts."""
    over = list(
        session.scalars(select(UploadRow.id).where(UploadRow.status == "pending", UploadRow.expires_at <= now()))
    )
    session.execute(update(UploadRow).where(UploadRow.id.in_(over)).values(status="expired"))
    return list(session.scalars(select(PartRow.id).where(PartRow.upload_id.in_(over))))


def _keep_part(store: Store, owner: Owner, upload_id: str, path: Path, form: UploadedForm) -> JsonObject:
    part = PartRow(id=new_id("part_"), upload_id=upload_id, created_at=now(), bytes=form.size)
    file_contents.keep(path, part.id)
    with store.writing() as session:
        stored = sum(session.scalars(select(PartRow.bytes).where(PartRow.upload_id == upload_id)))
        if stored + part.bytes <= file_contents.MAX_UPLOAD:
            session.add(part)
    if stored + part.bytes > file_contents.MAX_UPLOAD:
        file_contents.forget(part.id)
        raise ApiError(
            400, f"The parts of an upload have at most {file_contents.MAX_UPLOAD:,} bytes.", "invalid_value", "data"
        )
    return {"id": part.id, "object": "upload.part", "created_at": part.created_at, "upload_id": upload_id}


def _described(row: UploadRow, path: Path, size: int) -> UploadedForm:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            sha256.update(piece)
            md5.update(piece)
    return UploadedForm({}, row.filename, size, f"sha256:{sha256.hexdigest()}", md5.hexdigest())


def _find(store: Store, owner: Owner, upload_id: str) -> UploadRow:
    mine = (UploadRow.organization == owner.organization, UploadRow.project == owner.project)
    with store.reading() as session:
        row = session.scalars(select(UploadRow).where(*mine, UploadRow.id == upload_id)).first()
    if row is None:
        raise ApiError(404, f"No such Upload object: {upload_id}", None, "upload_id")
    if row.status == "pending" and row.expires_at <= now():
        row.status = "expired"
    return row


def _pending(store: Store, owner: Owner, upload_id: str) -> UploadRow:
    row = _find(store, owner, upload_id)
    if row.status != "pending":
        raise ApiError(400, f"The upload {upload_id} is {row.status}; nothing can be added.", "invalid_upload_status")
    return row


def _leave(store: Store, row: UploadRow, status: str, file_id: str | None) -> None:
    """Ends a pending upload; of two requests that do so at once one is refused."""
    with store.writing() as session:
        pending = update(UploadRow).where(UploadRow.id == row.id, UploadRow.status == "pending")
        ended = session.execute(pending.values(status=status, file_id=file_id)).rowcount  # pyright: ignore[reportAttributeAccessIssue]
        if ended and file_id is None:
            row.status = status
        elif not ended and file_id is not None:
            session.delete(session.scalars(select(FileRow).where(FileRow.id == file_id)).one())
    if not ended:
        if file_id is not None:
            file_contents.forget(file_id)
        raise ApiError(400, f"The upload {row.id} was completed or cancelled just now.", "invalid_upload_status")
    row.status, row.file_id = status, file_id


def _parts(store: Store, upload_id: str) -> list[str]:
    with store.reading() as session:
        return list(session.scalars(select(PartRow.id).where(PartRow.upload_id == upload_id)))


def _view(row: UploadRow, file: FileRow | None = None) -> JsonObject:
    return {
        "id": row.id,
        "object": "upload",
        "bytes": row.bytes,
        "created_at": row.created_at,
        "expires_at": row.expires_at,
        "filename": row.filename,
        "purpose": row.purpose,
        "status": row.status,
        "file": files.view(file) if file else None,
    }
