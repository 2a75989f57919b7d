"""`/v1/evals`: create, list, retrieve, change and delete evaluations."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from sqlalchemy import Select, delete, select

from postgrad.json_types import JsonObject
from postgrad.registry.eval_tables import EvalItemRow, EvalRow, EvalRunRow
from postgrad.serving.access.code_graders import sandbox_for
from postgrad.serving.jobs.eval_data import rows_path
from postgrad.serving.storage.store import Owner, ReadingOwner, Store, WritingOwner, new_id, now
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.eval_requests import CreateEval, UpdateEval, read_criterion
from postgrad.serving.wire.paging import PageLimit, listed, page
from postgrad.serving.wire.strict_json import ApiRouter

router = ApiRouter(prefix="/v1/evals", tags=["evals"])
Order = Literal["asc", "desc"]


@router.post("", status_code=201, operation_id="createEval")
def create(body: CreateEval, request: Request, owner: WritingOwner) -> JsonObject:
    """A new evaluation: what its rows look like, and the criteria by which answers are judged."""
    config = body.data_source_config.view()
    for place, raw in enumerate(body.testing_criteria):
        read_criterion(raw, f"testing_criteria[{place}]")
    sandbox_for(body.testing_criteria, "testing_criteria")
    made = now()
    row = EvalRow(
        id=new_id("eval_"),
        organization=owner.organization,
        project=owner.project,
        created_at=made,
        updated_at=made,
        name=body.name or "",
        config=config,
        criteria=_named(body.testing_criteria),
        labels=body.metadata,
    )
    with request.app.state.store.writing() as session:
        session.add(row)
    return view(row)


@router.get("", operation_id="listEvals")
def list_evals(
    request: Request,
    owner: ReadingOwner,
    after: str | None = None,
    limit: PageLimit = 20,
    order: Order = "asc",
    order_by: Literal["created_at", "updated_at"] = "created_at",
) -> JsonObject:
    """In order of creation, or of the last change."""
    with request.app.state.store.reading() as session:
        by = ("number",) if order_by == "created_at" else ("updated_at", "number")
        rows, more = page(session, _mine(owner), EvalRow, after, limit, order == "desc", by)
    return listed([view(row) for row in rows], more)


@router.get("/{eval_id}", operation_id="getEval")
def retrieve(eval_id: str, request: Request, owner: ReadingOwner) -> JsonObject:
    return view(find_eval(request.app.state.store, owner, eval_id))


@router.post("/{eval_id}", operation_id="updateEval")
def update(eval_id: str, body: UpdateEval, request: Request, owner: WritingOwner) -> JsonObject:
    """Changes the name or the metadata."""
    store: Store = request.app.state.store
    known = find_eval(store, owner, eval_id)
    with store.writing() as session:
        row = session.get_one(EvalRow, known.number)
        if body.name is not None:
            row.name = body.name
        if "metadata" in body.model_fields_set:
            row.labels = body.metadata
        row.updated_at = now()
    return view(row)


@router.delete("/{eval_id}", operation_id="deleteEval")
def remove(eval_id: str, request: Request, owner: WritingOwner) -> JsonObject:
    """Deletes an evaluation with all its runs and their items."""
    store: Store = request.app.state.store
    row = find_eval(store, owner, eval_id)
    with store.writing() as session:
        runs = list(session.scalars(select(EvalRunRow.id).where(EvalRunRow.eval_id == row.id)))
        session.execute(delete(EvalItemRow).where(EvalItemRow.run_id.in_(runs)))
        session.execute(delete(EvalRunRow).where(EvalRunRow.id.in_(runs)))
        session.execute(delete(EvalRow).where(EvalRow.id == row.id))
    for run in runs:
        rows_path(run).unlink(missing_ok=True)
    return {"object": "eval.deleted", "deleted": True, "eval_id": row.id}


def find_eval(store: Store, owner: Owner, eval_id: str) -> EvalRow:
    """An evaluation of this owner.

    Raises:
        ApiError: there is none.
    """
    with store.reading() as session:
        row = session.scalars(_mine(owner).where(EvalRow.id == eval_id)).first()
    if row is None:
        raise ApiError(404, f"Could not find eval: {eval_id}", "eval_not_found", "eval_id")
    return row


def view(row: EvalRow) -> JsonObject:
    """OpenAI's eval object."""
    return {
        "object": "eval",
        "id": row.id,
        "created_at": row.created_at,
        "name": row.name,
        "data_source_config": row.config,
        "testing_criteria": row.criteria,
        "metadata": row.labels,
    }


def _mine(owner: Owner) -> Select[EvalRow]:
    return select(EvalRow).where(EvalRow.organization == owner.organization, EvalRow.project == owner.project)


def _named(criteria: list[JsonObject]) -> list[JsonObject]:
    """Criteria with names that tell them apart: results are looked up by them."""
    seen: dict[str, int] = {}
    out = []
    for raw in criteria:
        count = seen[raw["name"]] = seen.get(raw["name"], 0) + 1
        out.append({**raw, "name": raw["name"] if count == 1 else f"{raw['name']}-{count}"})
    return out
