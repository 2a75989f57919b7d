"""`postgrad import openai`: fine-tuning jobs fetched from OpenAI, retrained on an open base, compared with the old
models."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.cli.support.door import StopSign, out, show
from postgrad.errors import UsageError
from postgrad.storage import write_atomic

if TYPE_CHECKING:
    from postgrad.workflows.import_openai.workflow import Moved

_DEFAULT_KEY = "OPENAI_API_KEY"


def command(
    source: Annotated[str, typer.Argument(help="Source: openai (or a compatible API, with --base-url).")],
    key_env: Annotated[str, typer.Option(help="Environment variable that holds the key.")] = _DEFAULT_KEY,
    base_url: Annotated[str, typer.Option(help="The API's address.")] = "https://api.openai.com/v1",
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for the downloads.")] = Path("openai-import"),
    job: Annotated[
        list[str] | None, typer.Option(help="Only this job, by its id or its model's id; may be repeated.")
    ] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Retrain the jobs on an open base.")] = False,
    base: Annotated[
        str, typer.Option(help="The base to retrain on: a known name, hub id, folder, or GGUF file.")
    ] = "smollm2-135m-instruct",
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare retrained models with the old ones on held-out examples.")
    ] = False,
    held_out: Annotated[
        Path | None, typer.Option(help="Examples to compare on; by default each job's validation file.")
    ] = None,
    answers: Annotated[
        Path | None, typer.Option(help="Recorded answers of the old model (JSON Lines); by default it is queried.")
    ] = None,
    examples: Annotated[int, typer.Option(help="The most held-out examples a job.", min=5)] = 100,
    max_tokens: Annotated[
        int, typer.Option(help="The most tokens that queries to the old models may use, in this command.", min=1)
    ] = 200_000,
    json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else.")] = False,
) -> None:
    """Fetches every fine-tuning job with its files; the same command again fetches and trains only what is missing."""
    if source != "openai":
        raise UsageError(f"Nothing can be imported from {source!r}.", "Available: postgrad import openai")
    if compare and not retrain:
        raise UsageError("--compare compares retrained models.", "Add --retrain; finished trainings are not repeated.")
    if (held_out or answers) and not compare:
        raise UsageError("--held-out and --answers are for a comparison.", "Add --compare.")
    from postgrad.models.remote.client import Budget
    from postgrad.workflows.import_openai.account import Account
    from postgrad.workflows.import_openai.against_old import Comparing
    from postgrad.workflows.import_openai.recorded import Recorded
    from postgrad.workflows.import_openai.workflow import move

    account = Account(base_url, key_env)
    how = None
    if compare:
        recorded = Recorded(answers) if answers else None
        how = Comparing(account.url, account.asking_env, held_out, recorded, examples, Budget(max_tokens))
    with StopSign().watching() as stop:
        moved = show(move(account, out_folder, base if retrain else None, how, job or [], stop), stop, quiet=json)
    account_of = {"source": account.url, "jobs": [one.to_dict() for one in moved]}
    write_atomic(out_folder / "import.json", jsonlib.dumps(account_of, indent=1, ensure_ascii=False))
    if json:
        out(jsonlib.dumps(account_of, ensure_ascii=False))
        return
    for one in moved:
        for line in _lines(one):
            out(line)
    out(f"\n{_summary(moved)} Everything is in {out_folder}.")
    if moved and not retrain:
        out("To retrain them on an open base: the same command with --retrain (and --compare).")
    elif any(one.retrained for one in moved):
        out("To serve them under their old names: postgrad serve")


def _lines(one: Moved) -> list[str]:
    job = one.fetched.job
    named = one.fetched.model or f"no model: {job.get('status')}"
    lines = [f"\n{one.fetched.id}  {named}"]
    if one.fetched.files:
        lines.append("    fetched: " + ", ".join(f"{role} file" for role in one.fetched.files))
    lines += [f"    ! {text.removeprefix(one.fetched.id + ': ')}" for text in one.fetched.missing.values()]
    if one.retrained:
        lines.append(f"    now: {one.retrained.model}")
    lines += [f"    {text}" for text in (one.compared, f"! {one.failed}" if one.failed else "") if text]
    return lines


def _summary(moved: list[Moved]) -> str:
    trained, failed = sum(one.retrained is not None for one in moved), sum(bool(one.failed) for one in moved)
    missing = sum(bool(one.fetched.missing) for one in moved)
    said = f"{len(moved)} jobs fetched"
    said += f", {missing} of them with unavailable files" if missing else ""
    said += f", {trained} retrained" if trained else ""
    return said + (f", {failed} failed." if failed else ".")
