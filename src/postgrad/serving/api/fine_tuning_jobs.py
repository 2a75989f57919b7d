"""`/v1/fine_tuning/jobs`: create, list, retrieve, cancel, pause, resume, and a job's events and checkpoints."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Select, select
from starlette.concurrency import run_in_threadpool

from postgrad.errors import ModelError
from postgrad.json_types import JsonObject
from postgrad.registry.job_tables import FINAL, CheckpointRow, EventRow, JobRow, LabelRow
from postgrad.serving.api.files import find_file
from postgrad.serving.inference.engine import Engine
from postgrad.serving.jobs import job_events
from postgrad.serving.jobs.continued_training import further_of
from postgrad.serving.jobs.estimates import finish_of
from postgrad.serving.jobs.job_folder import JobFolder
from postgrad.serving.jobs.job_graders import refuse_what_cannot_run
from postgrad.serving.jobs.queue import Queue
from postgrad.serving.jobs.supervisor import devices
from postgrad.serving.storage.store import Owner, ReadingOwner, Store, WritingOwner, new_id, now
from postgrad.serving.wire.api_errors import ApiError, unknown_model
from postgrad.serving.wire.job_requests import CreateJob
from postgrad.serving.wire.links import link
from postgrad.serving.wire.paging import PageLimit, listed, page
from postgrad.serving.wire.strict_json import ApiRouter
from postgrad.steps.openai_jobs.hyperparameters import base_for, fine_tuned_name

router = ApiRouter(prefix="/v1/fine_tuning/jobs", tags=["fine-tuning"])
POLL = 0.5


@router.post("")
def create(body: CreateJob, request: Request, owner: WritingOwner) -> JsonObject:
    """A new job. postgrad's own settings (`lora_rank` …) are sent beside OpenAI's fields: the SDK's `extra_body`."""
    queue: Queue = request.app.state.queue
    digest = "sha256:" + hashlib.sha256(json.dumps(body.model_dump(), sort_keys=True).encode()).hexdigest()
    if request.headers.get("x-stainless-retry-count", "0") not in ("", "0"):
        made = queue.same_request(owner.organization, owner.project, digest)
        if made is not None:
            return view(made, request)
    engine: Engine = request.app.state.engine
    further = further_of(engine, body, owner)
    base = base_for(body.model, body.base, lambda name: _base_of(engine, name), engine.bases[0])
    if further is None and base is None:
        raise unknown_model(body.base or body.model)
    row, said = _row(body, owner, further.base if further else base or "", digest, queue.host), []
    if further is not None:
        row.start, row.extra = further.model, further.extra
        said.append(f"Training continues from the weights of {body.model!r}.")
    elif body.model != base:
        said.append(f"The model {body.model!r} is not on this server; its base model {base!r} is trained instead.")
    said += refuse_what_cannot_run(row.method, row.extra, row.base, lambda name: _base_of(engine, name))
    if body.integrations:
        said.append(
            "This server sends nothing to Weights & Biases: the integrations are stored with the job but not used."
        )
    row.notice_due = 0.0 if request.app.state.notices else None
    _hold(queue.store, owner, body, row)
    queue.add(row, said)
    return view(row, request)


@router.get("")
def list_jobs(request: Request, owner: ReadingOwner, after: str | None = None, limit: PageLimit = 20) -> JsonObject:
    """Newest first; `metadata[key]=value` filters, `metadata=null` lists those without."""
    query = _mine(owner)
    for key, value in request.query_params.multi_items():
        if key == "metadata" and value == "null":
            query = query.where(~select(LabelRow.key).where(LabelRow.job_id == JobRow.id).exists())
        elif key.startswith("metadata[") and key.endswith("]"):
            pair = (LabelRow.job_id == JobRow.id, LabelRow.key == key[9:-1], LabelRow.value == value)
            query = query.where(select(LabelRow.key).where(*pair).exists())
    with request.app.state.store.reading() as session:
        rows, more = page(session, query, JobRow, after, limit)
    return {"object": "list", "data": [view(row, request) for row in rows], "has_more": more}


@router.get("/{job_id}")
def retrieve(job_id: str, request: Request, owner: ReadingOwner) -> JsonObject:
    return view(find_job(request.app.state.store, owner, job_id), request)


@router.post("/{job_id}/cancel")
def cancel(job_id: str, request: Request, owner: WritingOwner) -> JsonObject:
    """Cancels a job."""
    return _changed(request, owner, job_id, request.app.state.queue.cancel)


@router.post("/{job_id}/pause")
def pause(job_id: str, request: Request, owner: WritingOwner) -> JsonObject:
    """Pauses a job: saves its state and frees its device."""
    return _changed(request, owner, job_id, request.app.state.queue.pause)


@router.post("/{job_id}/resume")
def resume(job_id: str, request: Request, owner: WritingOwner) -> JsonObject:
    """Resumes a paused job: queues it again."""
    return _changed(request, owner, job_id, request.app.state.queue.resume)


@router.get("/{job_id}/events")
def events(
    job_id: str, request: Request, owner: ReadingOwner, after: str | None = None, limit: PageLimit = 20
) -> JsonObject:
    """Newest first."""
    store: Store = request.app.state.store
    job = find_job(store, owner, job_id)
    with store.reading() as session:
        rows, more = page(session, select(EventRow).where(EventRow.job_id == job.id), EventRow, after, limit)
    return {"object": "list", "data": [job_events.view(row) for row in rows], "has_more": more}


@router.get("/{job_id}/events/stream")
async def stream(job_id: str, request: Request, owner: ReadingOwner) -> StreamingResponse:
    """An extension: the events as server-sent events, oldest first, until the job has ended; then `[DONE]`."""
    job = await run_in_threadpool(find_job, request.app.state.store, owner, job_id)
    return StreamingResponse(_told(request, job), media_type="text/event-stream", headers={"cache-control": "no-store"})


@router.get("/{job_id}/checkpoints")
def checkpoints(
    job_id: str, request: Request, owner: ReadingOwner, after: str | None = None, limit: PageLimit = 10
) -> JsonObject:
    """Newest first; each can be queried by its name."""
    store: Store = request.app.state.store
    job = find_job(store, owner, job_id)
    query = select(CheckpointRow).where(CheckpointRow.job_id == job.id)
    with store.reading() as session:
        rows, more = page(session, query, CheckpointRow, after, limit)
    return listed([_checkpoint(row) for row in rows], more)


def find_job(store: Store, owner: Owner, job_id: str) -> JobRow:
    """A job of this owner.

    Raises:
        ApiError: there is none.
    """
    with store.reading() as session:
        row = session.scalars(_mine(owner).where(JobRow.id == job_id)).first()
    if row is None:
        raise ApiError(404, f"Could not find fine tune: {job_id}", "fine_tune_not_found", "fine_tune_id")
    return row


def view(row: JobRow, request: Request) -> JsonObject:
    """OpenAI's job object. Besides it `base`, which is really trained, and `report` once the job has one (in the
    metadata too where a report was asked for)."""
    report = link(request, "jobs", row.id) if row.report else None
    told = {"report": report} if report and row.extra.get("report") else {}
    finish = row.estimated_finish
    if row.status == "queued":
        with request.app.state.store.reading() as session:
            finish = finish_of(session, row, lambda host: len(devices(host)))
    return {
        "object": "fine_tuning.job",
        "id": row.id,
        "model": row.model,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "fine_tuned_model": row.fine_tuned_model,
        "organization_id": row.organization,
        "result_files": [row.result_file] if row.result_file else [],
        "status": row.status,
        "validation_file": row.validation_file,
        "training_file": row.training_file,
        "trained_tokens": row.trained_tokens,
        "seed": row.seed,
        "error": row.error,
        "estimated_finish": finish,
        "integrations": row.integrations,
        "metadata": {**told, **(row.labels or {})} if told else row.labels,
        "hyperparameters": row.hyperparameters,
        "method": row.method,
        "user_provided_suffix": row.suffix,
        "report": report,
        "base": row.base,
    }


def _mine(owner: Owner) -> Select[JobRow]:
    return select(JobRow).where(JobRow.organization == owner.organization, JobRow.project == owner.project)


def _changed(request: Request, owner: Owner, job_id: str, change: Any) -> JsonObject:
    store: Store = request.app.state.store
    change(find_job(store, owner, job_id))
    return view(find_job(store, owner, job_id), request)


def _row(body: CreateJob, owner: Owner, base: str, digest: str, host: str) -> JobRow:
    method = body.asked_method
    kind = method["type"]
    return JobRow(
        id=new_id("ftjob-"),
        organization=owner.organization,
        project=owner.project,
        created_at=now(),
        model=body.model,
        base=base,
        result_name=fine_tuned_name(body.model, owner.organization, body.suffix, new_id("", 8)),
        status="validating_files",
        training_file=body.training_file,
        validation_file=body.validation_file,
        suffix=body.suffix,
        seed=random.randrange(2**31) if body.seed is None else body.seed,
        method=method,
        hyperparameters=method[kind]["hyperparameters"] if kind == "supervised" else {},
        extra=body.own,
        labels=body.metadata,
        integrations=[i.model_dump(exclude_none=True) for i in body.integrations or []],
        request_hash=digest,
        host=host,
    )


def _hold(store: Store, owner: Owner, body: CreateJob, row: JobRow) -> None:
    """Takes hold of the files' content, so that the job does not depend on them any more."""
    for param, file_id in (("training_file", body.training_file), ("validation_file", body.validation_file)):
        if file_id is None:
            continue
        file = find_file(store, owner, file_id, param)
        if file.purpose != "fine-tune":
            message = (
                f"The file {file_id} has the purpose {file.purpose!r}; a job requires one with the purpose 'fine-tune'."
            )
            raise ApiError(400, message, "invalid_file_purpose", param)
    try:
        JobFolder.of(row.id).hold(body.training_file, body.validation_file)
    except FileNotFoundError as error:
        raise ApiError(400, "A file of this job was deleted just now.", None, "training_file") from error


def _base_of(engine: Engine, name: str) -> str | None:
    """The base model that the server offers under a name."""
    try:
        served = engine.find(name)
    except ModelError:
        return None
    return served.base if served.entry is None else None


async def _told(request: Request, job: JobRow) -> AsyncIterator[str]:
    store: Store = request.app.state.store
    last = 0
    while True:
        row, rows = await run_in_threadpool(_news, store, job.id, last)
        for event in rows:
            last = event.number
            yield f"event: {event.type}\ndata: {json.dumps(job_events.view(event))}\n\n"
        if row.status in FINAL and not rows:
            yield "data: [DONE]\n\n"
            return
        if not rows:
            yield ": waiting\n\n"
            await asyncio.sleep(POLL)


def _news(store: Store, job_id: str, last: int) -> tuple[JobRow, list[EventRow]]:
    with store.reading() as session:
        row = session.scalars(select(JobRow).where(JobRow.id == job_id)).one()
        query = select(EventRow).where(EventRow.job_id == job_id, EventRow.number > last)
        return row, list(session.scalars(query.order_by(EventRow.number).limit(500)))


def _checkpoint(row: CheckpointRow) -> JsonObject:
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": row.id,
        "created_at": row.created_at,
        "fine_tuned_model_checkpoint": row.model,
        "fine_tuning_job_id": row.job_id,
        "step_number": row.step,
        "metrics": row.metrics,
    }
