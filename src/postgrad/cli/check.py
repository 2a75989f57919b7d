"""`postgrad check`: every fault in the data, without importing torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.cli.support.door import StopSign, out, show
from postgrad.cli.support.options import Assistant, Input, Output, Speaker, Thread, listed, message_columns
from postgrad.errors import GateError, UsageError
from postgrad.findings import LEVELS

if TYPE_CHECKING:
    from postgrad.findings import Checked
    from postgrad.report.run_report import CheckReport

_SIGNS = {"error": "✗", "warning": "!", "info": "·"}


def command(
    data: Annotated[list[str], typer.Argument(help="Files, folders, hf://datasets/…, a database URL, or - for stdin.")],
    against: Annotated[
        list[str] | None, typer.Option(help="File of requests seen in production, to compare with.")
    ] = None,
    glossary: Annotated[
        Path | None, typer.Option(help="Your own words: lines `sofa: couch, settee`, or a table of two columns.")
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(help="Write the data with all safe repairs made; removed records go beside it, with reasons."),
    ] = None,
    repair: Annotated[
        str | None, typer.Option(help="With --fix: also make these checks' repairs (personal_data redacts).")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="SHAPE",
            help="With --fix: the shape to write, as in convert; by default the usual one for these records.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="With --fix: overwrite existing files.")] = False,
    base: Annotated[str | None, typer.Option(help="Count tokens as this model does.")] = None,
    surprise: Annotated[
        bool,
        typer.Option("--surprise", help="Report answers that the base model finds surprising (slow, imports torch)."),
    ] = False,
    benchmarks: Annotated[
        str | None, typer.Option(help="Look for leakage from the general benchmarks: a folder of them, or 'installed'.")
    ] = None,
    input: Input = None,
    output: Output = None,
    thread: Thread = None,
    speaker: Speaker = None,
    assistant: Assistant = None,
    accept: Annotated[str | None, typer.Option(help="Checks whose errors are accepted.")] = None,
    out_folder: Annotated[Path | None, typer.Option("--out", help="Folder for check.html and check.json.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print check.json on stdout and nothing else.")] = False,
) -> None:
    """Reads the data, reports how it was interpreted, and lists the findings; exit code 1 if one is an error."""
    from postgrad.pages.check_page import write_check
    from postgrad.workflows.check import CheckRequest, check
    from postgrad.workflows.finding_list import write_list

    base = base or ("smollm2-135m-instruct" if surprise else None)
    request = CheckRequest(
        paths=tuple(data),
        input=listed(input),
        output=listed(output),
        messages=message_columns(thread, speaker, assistant),
        production=tuple(against or ()),
        glossary=glossary,
        base=base,
        surprise=surprise,
        benchmarks={None: None, "installed": ""}.get(benchmarks, benchmarks),
        accept=tuple(listed(accept) or ()),
        repair=tuple(listed(repair) or ()),
    )
    if fix is not None:
        from postgrad.workflows.check_fix import refuse_to_overwrite

        refuse_to_overwrite(fix, force, to)
    elif repair or to or force:
        raise UsageError("--repair, --to and --force belong to --fix OUT.", "Name the file to write: --fix fixed.jsonl")
    with StopSign().watching() as stop:
        outcome = show(check(request, stop), stop, quiet=json)
    folder = out_folder or Path(f"{_stem(data[0])}-check")
    pages = write_check(outcome.report, folder)
    whole = write_list(outcome.checked, folder / "check.csv")
    if json:
        out(outcome.report.model_dump_json())
    else:
        _print(outcome.report, outcome.checked)
    if fix is not None:
        from postgrad.workflows.check_fix import write_fixed

        told = show(write_fixed(outcome, request, fix, to), quiet=True)
        if not json:
            out(told)
    if not json:
        out(f"Page: {pages[1]}   every finding as a table: {whole}   for machines: {pages[0]}")
    if errors := outcome.checked.errors(request.accept):
        raise GateError(
            f"{len(errors)} of the findings are errors: {', '.join(dict.fromkeys(f.check for f in errors))}.",
            "Fix the data, or accept them by name with --accept.",
        )


def _stem(name: str) -> str:
    """A name for the folder from the first file's."""
    path = Path(name.partition("#")[0].rstrip("/"))
    return path.name.split(".")[0] if path.name not in ("", "-") and "://" not in name else "data"


def _print(report: CheckReport, checked: Checked) -> None:
    """What a person can act on in a minute: the findings in a line or two each, then three records, then the
    verdict."""
    gone = ", ".join(f"{n:,} by {name}" for name, n in report.taken_out.items())
    mended = ", ".join(f"{n:,} by {name}" for name, n in report.changed.items())
    out(
        f"\n{report.read:,} records read, {report.kept:,} kept"
        + (f"; removed {gone}" if gone else "")
        + (f"; repaired {mended}" if mended else "")
        + ".\n"
    )
    told: set[str] = set()
    level = ""
    for finding in report.findings:
        if LEVELS[finding.severity] != level:
            level = LEVELS[finding.severity]
            out(f"{level.capitalize()}{'s' if finding.severity == 'info' else ''}:")
        out(f"{_SIGNS[finding.severity]} {finding.check}: {finding.sentence}")
        rows = finding.rows or [0] * finding.count
        for (file, line), row, evidence in list(zip(finding.examples, rows, finding.evidence, strict=False))[:2]:
            out(f"    {Path(file).name}:{line}{f' (row {row})' if row else ''}  {evidence[:140]}")
        if finding.evidence and finding.count > 2:
            out(f"    and {finding.count - 2:,} more in check.csv")
        if finding.advice and finding.severity != "info" and finding.check not in told:
            told.add(finding.check)
            out(f"    → {finding.advice}")
    if report.first:
        out("\nLook at these first:")
    for number, look in enumerate(report.first, 1):
        row = f" (row {look.row})" if look.row else ""
        out(f"  {number}. {look.file}:{look.line}{row} ({look.check})")
        out(f" request: {_line(look.prompt)}")
        if look.answer:
            out(f" answer:  {_line(look.answer)}")
        out(f" why:     {_line(look.evidence, 260)}")
    out(f"\n{report.summary}")
    if report.command:
        out(f"Do next: {report.command}")
    if report.repairable:
        names = ", ".join(f"{name} ({n:,})" for name, n in report.repairable.items())
        out(f"Repairs made only on request: {names}. To make them: --fix OUT --repair NAME.")


def _line(text: str, length: int = 130) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= length else folded[: length - 1] + "…"
