"""The story of `postgrad check`: read, compare with what was given besides, find every fault, say what to do first."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from postgrad.checks import advice_on, checking, names_of_checks, refuse_unknown, repaired
from postgrad.checks.support.redaction import Places, redact
from postgrad.data.glossary import load_glossary
from postgrad.data.load import LoadedRecords, load
from postgrad.data.requests import load_requests
from postgrad.data.shapes.message_layout import UNSAID, MessageColumns
from postgrad.data.shapes.reading import OwnColumns
from postgrad.data.sources.in_memory import InMemory
from postgrad.findings import Checked, Context, Finding
from postgrad.progress import Progress, Said, Stage, Working
from postgrad.records import Record
from postgrad.report import made_from
from postgrad.report.run_report import CheckReport, FindingPart, LookPart
from postgrad.version import __version__
from postgrad.workflows.finding_list import HIDDEN

SHOWN = 20
"""Records of each finding that the report names; `details` has the full counts."""
_DETAIL = 200
"""Entries of a table among a finding's details that the report keeps."""


@dataclass(frozen=True)
class CheckRequest:
    """What `postgrad check` was asked.

    Attributes:
        paths: The files to look at.
        messages: What is known of data with one row for each message.
        production: Files of requests seen in production.
        glossary: File of the house's own words.
        base: Count tokens as this model does.
        surprise: Also let the base model read every answer (imports torch).
        benchmarks: Look for leakage into the general benchmarks; a folder of them, or "" for those at hand.
        accept: Checks whose errors are accepted and whose repairs are not made.
        repair: Checks whose repairs are made although they are not safe unasked.
    """

    paths: tuple[Path | str | InMemory, ...]
    input: Sequence[str] | None = None
    output: Sequence[str] | None = None
    messages: MessageColumns = UNSAID
    production: tuple[Path | str | InMemory, ...] = ()
    glossary: Path | str | None = None
    base: str | None = None
    surprise: bool = False
    benchmarks: str | None = None
    accept: tuple[str, ...] = ()
    repair: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckOutcome:
    """The records as read and as mended, and the report about them."""

    loaded: LoadedRecords
    checked: Checked
    report: CheckReport
    context: Context


def check(request: CheckRequest, stopped: Callable[[], bool] = lambda: False) -> Working[CheckOutcome]:
    """Runs every check.

    Raises:
        DataError: the files cannot be read.
        UsageError: a name that is no check's.
    """
    refuse_unknown((*request.accept, *request.repair))
    yield Stage("reading", "Reading")
    started = time.monotonic()
    loaded = load(
        request.paths,
        input_column=request.input,
        output_column=request.output,
        messages=request.messages,
        minimum=1,
    )
    yield Said(loaded.explanation)
    for note in loaded.notes:
        yield Said(note, warning=True)
    seconds = {"reading": time.monotonic() - started}
    context = yield from _context(request, loaded.table)
    yield Stage("checks", f"Checking {len(loaded.records):,} records")
    findings: list[Finding] = []
    names = names_of_checks()
    running = checking(loaded.records, context)
    for done, (name, found, took) in enumerate(running, 1):
        findings += found
        seconds[name] = took
        yield Progress(done, len(names), "checks", name)
    checked = repaired(loaded.records, findings, accept=request.accept, also=request.repair, ran=names)
    report = report_on(request, loaded, checked, seconds, context)
    return CheckOutcome(loaded, checked, report, context)


def _context(request: CheckRequest, table: OwnColumns | None) -> Working[Context]:
    """What the checks may compare with."""
    context = Context()
    if request.production:
        seen = load_requests(request.production, table)
        yield Said(f"{len(seen.records):,} requests from production. {seen.explanation}")
        context = replace(context, production=seen.records)
    if request.glossary is not None:
        context = replace(context, glossary=load_glossary(request.glossary))
    if request.benchmarks is not None:
        context = replace(context, benchmarks=benchmark_questions(request.benchmarks))
    if request.base is not None:
        from postgrad.models.base_models import find_model  # here: a check without a base needs no model
        from postgrad.models.rendering.render import load_renderer  # here: the same

        model = find_model(request.base)
        renderer = load_renderer(model)
        context = replace(context, count_tokens=renderer.count, context_length=model.context)
        if request.surprise:
            context = replace(context, surprise=_reader(request.base))
    return context


def _reader(base: str) -> Callable[[Sequence[Record]], list[float]]:
    def surprise(records: Sequence[Record]) -> list[float]:
        from postgrad.models.base_models import find_model  # here: a check without a base needs no model
        from postgrad.models.generation.likelihood import answer_losses  # here: torch
        from postgrad.models.language_model import LanguageModel  # here: torch

        return answer_losses(LanguageModel(find_model(base)), records)

    return surprise


def benchmark_questions(folder: str) -> Callable[[], Iterable[tuple[str, str]]]:
    """The questions of the general benchmarks, from a folder or from those at hand."""

    def questions() -> Iterable[tuple[str, str]]:
        from postgrad.evaluation.forgetting import READERS, ROWS_OF, load_benchmarks  # here: arrow

        files = [n for n in READERS if n not in ROWS_OF and (not folder or (Path(folder) / f"{n}.jsonl").exists())]
        loaded, _ = load_benchmarks(files, 10**9, Path(folder) if folder else None)
        for benchmark in loaded:
            for item in benchmark.items:
                yield benchmark.name, item.answered

    return questions


def report_on(
    request: CheckRequest, loaded: LoadedRecords, checked: Checked, seconds: dict[str, float], context: Context
) -> CheckReport:
    """The report of what was found."""
    taken = Counter(d.check for d in checked.dropped)
    changed = Counter(c.check for c in checked.changed)
    done = {*taken, *changed}
    repairable = {
        f.check: len({r.index for r in f.repairs}) for f in checked.findings if f.repairs and f.check not in done
    }
    do_next, command = _next(request, checked, repairable)
    return CheckReport(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        postgrad_version=__version__,
        files=[str(p) for p in request.paths],
        shape=loaded.shape,
        explanation=loaded.explanation,
        notes=list(loaded.notes),
        read=checked.read,
        kept=len(checked.kept),
        taken_out=dict(taken),
        changed=dict(changed),
        repairable=repairable,
        headline=headline(checked, request.accept),
        do_next=do_next,
        command=command,
        summary=summary(checked, request.accept),
        first=[_look(f, r, e) for f, r, e in checked.worst(3)],
        findings=[finding_part(checked, f) for f in checked.findings],
        token_histogram=_histogram(checked, context),
        seconds={name: round(took, 2) for name, took in seconds.items()},
    )


def finding_part(checked: Checked, finding: Finding, shown: int = SHOWN) -> FindingPart:
    """A finding as reports keep it."""
    details = {k: _bounded(v) for k, v in finding.details.items()}
    return made_from.finding_part(finding, checked.records, shown, advice_on(finding.check), details)


def _bounded(value: object) -> object:
    """A detail, with long tables and lists cut to what a reader looks at; counts stay whole."""
    if isinstance(value, dict) and len(value) > _DETAIL:
        return {**dict(list(value.items())[:_DETAIL]), "…": f"{len(value) - _DETAIL} more"}
    if isinstance(value, list | tuple) and len(value) > _DETAIL:
        return [*value[:_DETAIL], f"… {len(value) - _DETAIL} more"]
    return value


def _look(finding: Finding, record: Record, evidence: str) -> LookPart:
    """The record with personal data and secrets masked: the page is there to be passed on."""
    source, places = record.source, Places()
    return LookPart(
        check=finding.check,
        file=source.file,
        line=source.line,
        row=source.row,
        prompt=redact(record.prompt_text, places, HIDDEN),
        answer=redact(record.answer_text, places, HIDDEN),
        evidence=evidence or finding.sentence,
    )


def headline(checked: Checked, accept: Iterable[str] = ()) -> str:
    """Whether this may be trained on, and what comes first, in at most 18 words."""
    first = _gravest(checked, accept)
    kept = f"{len(checked.kept):,} of {checked.read:,} records can be used"
    if first is None:
        return f"Ready for training: {kept}."
    worst = first.check.replace("_", " ") + (f" in {first.count:,} records" if first.count else "")
    if first.severity == "error":
        return f"Must be fixed before training: {worst}."
    return f"Can be trained on; look first at {worst}; {kept}."


def _gravest(checked: Checked, accept: Iterable[str]) -> Finding | None:
    """The error, or else the warning, to begin with; None where there is neither."""
    return next(iter(checked.errors(accept) or [f for f in checked.findings if f.severity == "warning"]), None)


def _next(request: CheckRequest, checked: Checked, repairable: dict[str, int]) -> tuple[str, str]:
    """What to do first, and the command for it."""
    data = " ".join(shlex.quote(str(p)) for p in request.paths)
    first = _gravest(checked, request.accept)
    if first is None:
        return "See whether fine-tuning is worth it.", f"postgrad run {data}"
    advice = advice_on(first.check)
    if first.check in repairable:
        return advice, f"postgrad check {data} --fix fixed.jsonl --repair {first.check}"
    return advice, f"postgrad review {data}" if first.indices else ""


def summary(checked: Checked, accept: Iterable[str] = ()) -> str:
    """One or two sentences: may this be trained on, and what comes first."""
    errors = checked.errors(accept)
    warnings = [f for f in checked.findings if f.severity == "warning"]
    kept = f"{len(checked.kept):,} of {checked.read:,} records can be used"
    if errors:
        more = f" {others(len(errors) - 1, 'error')}" if len(errors) > 1 else ""
        return f"Must be fixed before training: {errors[0].sentence}{more} {kept}."
    if not warnings:
        return f"Ready for training: {kept}."
    more = f" {others(len(warnings) - 1, 'warning')}" if len(warnings) > 1 else ""
    return f"Can be trained on. Worth a look first: {warnings[0].sentence}{more} {kept}."


def others(count: int, noun: str) -> str:
    """`One other warning.` or `9 other warnings.`"""
    return f"One other {noun}." if count == 1 else f"{count} other {noun}s."


def _histogram(checked: Checked, context: Context, bins: int = 16, most: int = 5_000) -> list[tuple[int, int]]:
    """Lengths in tokens where a model was named, of an even sample: (upper edge, records)."""
    if context.count_tokens is None or not checked.kept:
        return []
    step = -(-len(checked.kept) // most)
    count = context.count_tokens
    lengths = [count(r.prompt_text) + count(r.answer_text) for r in checked.kept[::step]]
    width = max(1, -(-max(lengths) // bins))
    tops = Counter((max(n, 1) - 1) // width for n in lengths)
    return [((k + 1) * width, tops[k]) for k in range(max(tops) + 1)]
