"""`/v1/evals/{eval}/runs`: start, follow, cancel and delete runs of an evaluation, and read what came out for each
row."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from sqlalchemy import delete, select

from postgrad.json_types import JsonMapping, JsonObject
from postgrad.registry.eval_tables import EvalItemRow, EvalRow, EvalRunRow
from postgrad.serving.api.evals import Order, find_eval
from postgrad.serving.api.files import find_file
from postgrad.serving.inference.chat_preparation import find_served
from postgrad.serving.inference.internal_client import chat_request
from postgrad.serving.jobs.eval_data import check_messages, read_row, rows_path
from postgrad.serving.jobs.eval_queue import EvalQueue, new_run
from postgrad.serving.storage import file_contents
from postgrad.serving.storage.store import Owner, ReadingOwner, Store, WritingOwner
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.eval_requests import CreateRun, DataSource
from postgrad.serving.wire.links import link
from postgrad.serving.wire.paging import PageLimit, listed, page
from postgrad.serving.wire.strict_json import ApiRouter

router = ApiRouter(prefix="/v1/evals/{eval_id}/runs", tags=["evals"])
EvalRunState = Literal["queued", "in_progress", "completed", "canceled", "failed"]


@router.post("", status_code=201, operation_id="createEvalRun")
def create(eval_id: str, body: CreateRun, request: Request, owner: WritingOwner) -> JsonObject:
    """Queues a run; one is processed at a time, taking turns with chat."""
    state = request.app.state
    of, source = find_eval(state.store, owner, eval_id), body.data_source
    plain = source.model_dump(exclude_none=True)
    if source.type != "jsonl":
        plain["sampling_params"] = _sampling(source)
        find_served(state.engine, _asked_model(source), owner.project, owner.organization)
    queue: EvalQueue = state.evals
    row = new_run(
        of,
        queue.host,
        name=body.name or "",
        model=source.model or "",
        data_source=plain,
        labels=body.metadata,
        key_id=getattr(request.state, "key_id", None),
    )
    _hold_rows(state.store, owner, source, row.id)
    queue.add(row)
    return view(row, request)


@router.get("", operation_id="listEvalRuns")
def list_runs(
    eval_id: str,
    request: Request,
    owner: ReadingOwner,
    after: str | None = None,
    limit: PageLimit = 20,
    order: Order = "asc",
    status: EvalRunState | None = None,
) -> JsonObject:
    store: Store = request.app.state.store
    query = select(EvalRunRow).where(EvalRunRow.eval_id == find_eval(store, owner, eval_id).id)
    if status is not None:
        query = query.where(EvalRunRow.status == status)
    with store.reading() as session:
        rows, more = page(session, query, EvalRunRow, after, limit, order == "desc")
    return listed([view(row, request) for row in rows], more)


@router.get("/{run_id}", operation_id="getEvalRun")
def retrieve(eval_id: str, run_id: str, request: Request, owner: ReadingOwner) -> JsonObject:
    return view(_find(request, owner, eval_id, run_id), request)


@router.post("/{run_id}", operation_id="cancelEvalRun")
@router.post("/{run_id}/cancel", include_in_schema=False)  # as older pages of OpenAI's spell it
def cancel(eval_id: str, run_id: str, request: Request, owner: WritingOwner) -> JsonObject:
    """Cancels a run; judged rows are kept."""
    row = _find(request, owner, eval_id, run_id)
    request.app.state.evals.cancel(row)
    rows_path(row.id).unlink(missing_ok=True)
    return view(_find(request, owner, eval_id, run_id), request)


@router.delete("/{run_id}", operation_id="deleteEvalRun")
def remove(eval_id: str, run_id: str, request: Request, owner: WritingOwner) -> JsonObject:
    store: Store = request.app.state.store
    row = _find(request, owner, eval_id, run_id)
    with store.writing() as session:
        session.execute(delete(EvalItemRow).where(EvalItemRow.run_id == row.id))
        session.execute(delete(EvalRunRow).where(EvalRunRow.id == row.id))
    rows_path(row.id).unlink(missing_ok=True)
    return {"object": "eval.run.deleted", "deleted": True, "run_id": row.id}


@router.get("/{run_id}/output_items", operation_id="getEvalRunOutputItems")
def items(
    eval_id: str,
    run_id: str,
    request: Request,
    owner: ReadingOwner,
    after: str | None = None,
    limit: PageLimit = 20,
    order: Order = "asc",
    status: Literal["fail", "pass", "error"] | None = None,
) -> JsonObject:
    """In the order of the rows."""
    run = _find(request, owner, eval_id, run_id)
    query = select(EvalItemRow).where(EvalItemRow.run_id == run.id)
    if status is not None:
        query = query.where(EvalItemRow.status == status)
    with request.app.state.store.reading() as session:
        rows, more = page(session, query, EvalItemRow, after, limit, order == "desc")
    return listed([item_view(row, run) for row in rows], more)


@router.get("/{run_id}/output_items/{item_id}", operation_id="getEvalRunOutputItem")
def item(eval_id: str, run_id: str, item_id: str, request: Request, owner: ReadingOwner) -> JsonObject:
    run = _find(request, owner, eval_id, run_id)
    with request.app.state.store.reading() as session:
        query = select(EvalItemRow).where(EvalItemRow.run_id == run.id, EvalItemRow.id == item_id)
        row = session.scalars(query).first()
    if row is None:
        raise ApiError(404, f"Could not find output item: {item_id}", "output_item_not_found", "output_item_id")
    return item_view(row, run)


def view(row: EvalRunRow, request: Request) -> JsonObject:
    """OpenAI's run object."""
    return {
        "object": "eval.run",
        "id": row.id,
        "eval_id": row.eval_id,
        "created_at": row.created_at,
        "status": row.status,
        "model": row.model,
        "name": row.name,
        "data_source": row.data_source,
        "metadata": row.labels,
        "error": row.error,
        "result_counts": row.counts,
        "per_testing_criteria_results": row.by_criterion,
        "per_model_usage": row.usage,
        "report_url": link(request, "evals", row.id),
    }


def item_view(row: EvalItemRow, run: EvalRunRow) -> JsonObject:
    """OpenAI's output item."""
    return {
        "object": "eval.run.output_item",
        "id": row.id,
        "created_at": row.created_at,
        "run_id": run.id,
        "eval_id": run.eval_id,
        "status": row.status,
        "datasource_item_id": row.place,
        "datasource_item": row.item,
        "results": row.results,
        "sample": row.sample,
    }


def _find(request: Request, owner: Owner, eval_id: str, run_id: str) -> EvalRunRow:
    store: Store = request.app.state.store
    of: EvalRow = find_eval(store, owner, eval_id)
    with store.reading() as session:
        row = session.scalars(select(EvalRunRow).where(EvalRunRow.id == run_id, EvalRunRow.eval_id == of.id)).first()
    if row is None:
        raise ApiError(404, f"Could not find eval run: {run_id}", "eval_run_not_found", "run_id")
    return row


def _asked_model(source: DataSource) -> str:
    if not source.model:
        raise _missing("model")
    return source.model


def _sampling(source: DataSource) -> JsonObject:
    """The fields of a chat request that the run's answers are asked with.

    Raises:
        ApiError: a field cannot be followed, or the messages are no template.
    """
    asked = source.input_messages
    if asked is None or (asked.template if asked.type == "template" else asked.item_reference) is None:
        raise _missing("input_messages")
    if asked.template is not None:
        check_messages(asked.template)
    given = dict(source.sampling_params or {})
    if source.type == "responses":
        given = _from_responses(given)
    fields = {"max_completion_tokens", "temperature", "top_p", "seed", "response_format", "tools", "reasoning_effort"}
    if odd := sorted(set(given) - fields):
        where = f"data_source.sampling_params.{odd[0]}"
        raise ApiError(400, f"Unknown parameter: {where!r}.", "unknown_parameter", where)
    chat_request(_asked_model(source), [{"role": "user", "content": "x"}], given)
    return given


def _from_responses(given: JsonMapping) -> JsonObject:
    """Sampling parameters of the responses API in the words of chat."""
    out = {k: v for k, v in given.items() if k not in ("text", "tools")}
    form = (given.get("text") or {}).get("format")
    if form is not None and form.get("type") == "json_schema":
        out["response_format"] = {"type": "json_schema", "json_schema": {k: v for k, v in form.items() if k != "type"}}
    elif form is not None and form.get("type") != "text":
        out["response_format"] = form
    for tool in given.get("tools") or []:
        if tool.get("type") != "function":
            message = f"This server has no built-in tools; {tool.get('type')!r} cannot be followed."
            raise ApiError(400, message, "unsupported_parameter", "data_source.sampling_params.tools")
        function = {k: v for k, v in tool.items() if k != "type"}
        out.setdefault("tools", []).append({"type": "function", "function": function})
    return out


def _hold_rows(store: Store, owner: Owner, source: DataSource, run_id: str) -> None:
    """Takes hold of a file's content; refuses what holds no rows."""
    rows, where = source.source, "data_source.source"
    if rows.type in ("stored_completions", "responses"):
        message = f"This server stores no {rows.type.replace('_', ' ')}; give the rows with file_id or file_content."
        raise ApiError(400, message, "nothing_stored", f"{where}.type")
    if rows.type == "file_content":
        if rows.content is None:
            raise _missing("source.content")
        return
    if rows.id is None:
        raise _missing("source.id")
    file = find_file(store, owner, rows.id, f"{where}.id")
    try:
        file_contents.hold(file.id, rows_path(run_id))
        with rows_path(run_id).open("rb") as lines:
            first = next((line for line in lines if line.strip()), b"")
    except FileNotFoundError as error:
        raise ApiError(400, "The file was deleted just now.", None, f"{where}.id") from error
    if not read_row(first.removeprefix(b"\xef\xbb\xbf"))[0]:
        rows_path(run_id).unlink(missing_ok=True)
        message = 'Each line of the file must be a JSON object {"item": {…}, "sample": {…}}; `sample` may be left out.'
        raise ApiError(400, message, "invalid_file_format", f"{where}.id")


def _missing(field: str) -> ApiError:
    name = f"data_source.{field}"
    return ApiError(400, f"Missing required parameter: {name!r}.", "missing_required_parameter", name)
