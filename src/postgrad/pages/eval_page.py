"""The page of an evaluation run on the server, made from the run as the API shows it and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.json_types import JsonMapping, well_formed
from postgrad.pages.report_page import environment


def render_eval(name: str, run: JsonMapping, items: Sequence[JsonMapping], version: str) -> str:
    """The page.

    Args:
        name: Of the evaluation.
        run: OpenAI's run object.
        items: OpenAI's output items that are shown.
        version: Of postgrad.
    """
    counts = run["result_counts"]
    share = f"{100 * counts['passed'] / counts['total']:.1f} %" if counts["total"] else "–"
    tone = "train" if run["status"] == "completed" else "unsure" if run["status"] == "failed" else "other"
    page = (
        environment()
        .get_template("eval.html.j2")
        .render(
            name=name or run["eval_id"],
            run=run,
            items=[{**item, "asked": _asked(item), "said": _said(item)} for item in items],
            counts=counts,
            share=share,
            weakest=_weakest(run),
            tone=tone,
            version=version,
        )
    )
    return well_formed(page)


def _weakest(run: JsonMapping) -> str:
    """The criterion that passes least often; empty where none failed."""
    failing = [c for c in run["per_testing_criteria_results"] if c["failed"]]
    if not failing:
        return ""
    worst = min(failing, key=lambda c: c["passed"] / (c["passed"] + c["failed"]))
    return f"{worst['testing_criteria']}: {worst['passed']:,} of {worst['passed'] + worst['failed']:,} rows pass it."


def _asked(item: JsonMapping) -> str:
    """The messages of a row, or its fields where no model was asked."""
    messages = item["sample"]["input"]
    if messages:
        return "\n\n".join(f"{m['role']}: {m['content']}" for m in messages)
    return "\n".join(f"{key}: {value}" for key, value in item["datasource_item"].items())


def _said(item: JsonMapping) -> str:
    error = item["sample"]["error"]
    if error:
        return f"{error['code']}: {error['message']}"
    return "\n".join(str(m.get("content") or m.get("tool_calls") or "") for m in item["sample"]["output"])
