"""A model card, as the hub reads it: what the model was trained on and measured by, what it lost, what it may be used
for."""

from __future__ import annotations

import yaml

from postgrad.arm_kinds import is_trained
from postgrad.blobs import Blobs
from postgrad.json_types import JsonObject
from postgrad.models.base_models import known_models
from postgrad.models.open_bases import open_bases
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.report.run_report import Report
from postgrad.steps.delivery.lineage import Lineage, lineage_of
from postgrad.steps.reporting.kept_report import kept_report
from postgrad.version import __version__


def model_card(catalogue: Catalogue, blobs: Blobs, entry: ModelEntry, data_licence: str = "") -> str:
    """Markdown with the hub's front matter.

    Args:
        catalogue: Where the model is.
        blobs: With its report.
        entry: The model.
        data_licence: Of the training data; empty: said to be unknown.
    """
    lineage = lineage_of(catalogue, blobs, entry)
    report = kept_report(blobs, entry)
    head = _head(entry, report)
    body = [f"# {entry.name}", "", *_what(entry, lineage, report), *_measured(report), *_limits(report)]
    body += ["## Training", "", *_training(entry, lineage), "", "## Licences", ""]
    _, licence = _base(entry)
    body += [
        f"- Base model: {licence or 'not known to postgrad; see the base model'}",
        f"- Training data: {data_licence or 'not stated; state it with `postgrad card --data-licence`'}",
        "",
    ]
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n" + "\n".join(body)


def _base(entry: ModelEntry) -> tuple[str, str]:
    """(hub id or name, licence) of the base."""
    name = entry.base.removesuffix("+thinking")
    if (facts := known_models().get(name)) is not None:
        return facts["hub"], facts["licence"]
    known = open_bases().get(name)
    return name, known.licence if known else ""


def _head(entry: ModelEntry, report: Report | None) -> JsonObject:
    base, licence = _base(entry)
    head: JsonObject = {
        "library_name": "peft" if entry.method != "full" else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["postgrad", "fine-tuned"],
    }
    if base.count("/") == 1 and not base.startswith((".", "/", "~")):
        head["base_model"] = base
    if licence:
        head["license"] = licence.lower()
    if report is not None and report.arms:
        tuned = next((a for a in reversed(report.arms) if is_trained(a.name)), None)
        if tuned is not None:
            metric = {"type": report.task.metric, "value": round(tuned.score, 4), "name": report.task.metric}
            result = {
                "task": {"type": "text-generation"},
                "dataset": {"name": f"own test part ({tuned.n} examples)", "type": "own"},
                "metrics": [metric],
            }
            head["model-index"] = [{"name": entry.name, "results": [result]}]
    return head


def _what(entry: ModelEntry, lineage: Lineage, report: Report | None) -> list[str]:
    base, _ = _base(entry)
    out = [
        f"`{entry.id}`: `{base}` trained ({entry.method}) by postgrad {__version__} on {entry.created:%Y-%m-%d}.",
        "",
    ]
    if report is not None:
        out += [report.verdict.sentence, ""]
    if instruction := entry.details.get("system_prompt"):
        out += ["It is asked with this system prompt:", "", *(f"> {x}" for x in str(instruction).splitlines()), ""]
    return out


def _measured(report: Report | None) -> list[str]:
    if report is None:
        return ["## Evaluation", "", "It was never measured against anything else.", ""]
    out = ["## Evaluation", "", f"By {report.task.metric} on {report.data.test} examples kept aside:", ""]
    out += ["| Way | Score | 95 % interval | Examples |", "|---|---|---|---|"]
    for arm in report.arms:
        low, high = arm.interval
        out.append(f"| {arm.name} | {100 * arm.score:.1f} % | {100 * low:.1f} to {100 * high:.1f} | {arm.n} |")
    out.append("")
    if report.forgetting and report.forgetting.benchmarks:
        out += ["General ability before and after:", "", "| Benchmark | Base | Tuned | Judged |", "|---|---|---|---|"]
        for b in report.forgetting.benchmarks:
            judged = b.verdict.replace("_", " ")
            out.append(f"| {b.name} | {100 * b.base:.1f} % | {100 * b.tuned:.1f} % | {judged} |")
        out.append("")
    return out


def _limits(report: Report | None) -> list[str]:
    out = ["## Limits", ""]
    if report is None:
        return [*out, "- Nothing is known of where it fails.", ""]
    for case in report.edge_cases[:5]:
        low, high = case.interval if case.interval else (0.0, 1.0)
        inside = f"{100 * case.fine_tuned:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
        out.append(f"- {case.slice}: {inside} of {case.n} examples right.")
    if report.automation:
        out.append(f"- {report.automation.sentence}")
    out += [f"- {reason}" for reason in report.verdict.reasons[:3]]
    return [*out, ""]


def _training(entry: ModelEntry, lineage: Lineage) -> list[str]:
    data = lineage.data
    out = [f"- Data: {data.get('train', 'unknown')} examples, hash `{entry.data_hash}`"]
    if "test" in data:
        out.append(f"- Kept aside: {data['validation']} for validation, {data['test']} for the test")
    out.append(f"- Base: `{entry.base}`, hash `{entry.base_hash}`")
    if lineage.training:
        out.append(f"- {lineage.training}")
    if lineage.parent:
        out.append(f"- Continued from `{lineage.parent}`")
    return out
