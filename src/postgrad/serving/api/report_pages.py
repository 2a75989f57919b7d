"""Pages that a browser reads: the report of an evaluation run and that of a fine-tuning job, behind signed links."""

from __future__ import annotations

import json

from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import select

from postgrad.blobs import Blobs
from postgrad.pages.eval_page import render_eval
from postgrad.pages.report_page import render_report
from postgrad.registry.eval_tables import EvalItemRow, EvalRow, EvalRunRow
from postgrad.registry.job_tables import JobRow
from postgrad.report.run_report import Report
from postgrad.serving.api.eval_runs import item_view, view
from postgrad.serving.storage.store import Store
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.links import check_link
from postgrad.serving.wire.strict_json import ApiRouter
from postgrad.version import __version__

router = ApiRouter(prefix="/pages", tags=["pages"])
SHOWN = 200
"""Rows of a run on its page: those that did not pass first."""


@router.get("/evals/{run_id}/{signature}.html", response_class=HTMLResponse, operation_id="evalRunPage")
def eval_run(run_id: str, signature: str, request: Request) -> HTMLResponse:
    """The report of an evaluation run."""
    check_link("evals", run_id, signature)
    store: Store = request.app.state.store
    with store.reading() as session:
        run = session.scalars(select(EvalRunRow).where(EvalRunRow.id == run_id)).first()
        if run is None:
            raise ApiError(404, "This run was deleted.", "unknown_url")
        of = session.scalars(select(EvalRow).where(EvalRow.id == run.eval_id)).one()
        mine = select(EvalItemRow).where(EvalItemRow.run_id == run_id)
        first = mine.order_by(EvalItemRow.status == "pass", EvalItemRow.place)
        rows = [item_view(row, run) for row in session.scalars(first.limit(SHOWN))]
    return HTMLResponse(render_eval(of.name, view(run, request), rows, __version__))


@router.get("/jobs/{job_id}/{signature}.{ending}", operation_id="jobReport")
def job(job_id: str, signature: str, ending: str, request: Request) -> Response:
    """The report of a fine-tuning job, as a page (`html`) or as JSON (`json`)."""
    check_link("jobs", job_id, signature)
    with request.app.state.store.reading() as session:
        blob = session.scalar(select(JobRow.report).where(JobRow.id == job_id))
    if blob is None or ending not in ("html", "json"):
        raise ApiError(404, "There is no such page.", "unknown_url")
    raw = Blobs().get_bytes(blob)
    if ending == "json":
        return JSONResponse(json.loads(raw))
    return HTMLResponse(render_report(Report.model_validate_json(raw)))
