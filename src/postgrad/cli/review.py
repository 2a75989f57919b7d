"""`postgrad review`: what the checks found, one record at a time, for a person to decide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from postgrad.cli.support.door import StopSign, out, show
from postgrad.cli.support.options import Assistant, Input, Output, Speaker, Thread, listed, message_columns
from postgrad.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from postgrad.workflows.review import Decision, Item

_LETTERS = 900
_KEYS = "[k]eep  [d]rop  [a]nswer anew{mend}  [s]kip  [q]uit and write"


def command(
    data: Annotated[list[str], typer.Argument(help="Files, as for postgrad check.")],
    target: Annotated[Path, typer.Option("--out", help="The mended file; a table keeps its own columns (.csv).")],
    check: Annotated[str | None, typer.Option("--check", help="Only what these checks found.")] = None,
    input: Input = None,
    output: Output = None,
    thread: Thread = None,
    speaker: Speaker = None,
    assistant: Assistant = None,
    to: Annotated[str | None, typer.Option("--to", metavar="SHAPE", help="The shape to write, as in convert.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the mended file; decisions are kept.")] = False,
) -> None:
    """Shows what the checks found record by record, the gravest first, and writes the data as you decide.

    Decisions stand beside the mended file (.review.jsonl) at once: the same command goes on where you stopped.
    """
    from postgrad.checks import refuse_unknown
    from postgrad.data.writing.containers import ending_of
    from postgrad.workflows.check import CheckRequest
    from postgrad.workflows.check import check as checking
    from postgrad.workflows.check_fix import write_records
    from postgrad.workflows.review import Log, mended, queue

    wanted = set(listed(check) or ())
    refuse_unknown(wanted)
    kept_at = target.with_name(f"{target.name.removesuffix(ending_of(target))}.review.jsonl")
    if target.exists() and not force:
        raise UsageError(
            f"{str(target)!r} is there already.", "Go on with the review, and write it again: --force; or name another."
        )
    request = CheckRequest(
        paths=tuple(data),
        input=listed(input),
        output=listed(output),
        messages=message_columns(thread, speaker, assistant),
    )
    with StopSign().watching() as stop:
        outcome = show(checking(request, stop), stop)
    checked = outcome.checked
    log = Log(kept_at, checked.records)
    everything = queue(checked)
    items = [i for i in everything if not wanted or wanted & {name for name, _ in i.why}]
    waiting = log.open_items(items)
    out(f"\n{len(items):,} records to look at, {len(items) - len(waiting):,} of them decided before.")
    try:
        for number, item in enumerate(waiting, 1):
            _show(item, number, len(waiting))
            decision = _asked(item)
            if decision == "quit":
                break
            if not isinstance(decision, str):
                log.add(item, decision)
    except EOFError:
        out("")
    except KeyboardInterrupt as stopped:
        raise Interrupted(f"Interrupted; the decisions so far are kept in {kept_at}.") from stopped
    records = mended(checked, everything, log.decisions)
    out(write_records(target, outcome.loaded, records, to))
    decided = sum(item.index in log.decisions for item in items)
    out(f"{decided:,} of {len(items):,} decided, kept in {kept_at}. The same command with --force goes on.")


def _show(item: Item, number: int, count: int) -> None:
    out(f"\n── {number}/{count}  {item.record.source} " + "─" * 30)
    for check, evidence in item.why:
        out(f"{check}: {evidence}")
    out(f"request: {_short(item.record.prompt_text)}")
    out(f"answer:  {_short(item.record.answer_text)}")
    if item.repair is not None:
        proposed = "taken out" if item.repair.record is None else _short(item.repair.record.answer_text)
        out(f"proposed: {proposed}")


def _asked(item: Item) -> Decision | str:
    """A decision, or `skip` or `quit`."""
    from postgrad.workflows.review import Decision, with_answer

    mends = item.repair is not None and item.repair.record is not None
    keys = _KEYS.format(mend="  [m]end as proposed" if mends else "")
    while True:
        said = input(f"{keys} > ").strip().lower()[:1]
        if said in ("s", ""):
            return "skip"
        if said == "q":
            return "quit"
        if said == "k":
            return Decision("keep")
        if said == "d":
            return Decision("drop")
        if said == "m" and mends:
            return Decision("mend")
        if said == "a":
            answer = input("new answer > ").strip()
            if answer:
                with_answer(item.record, answer)
                return Decision("answer", answer)
        out("One of the letters, please.")


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]}… ({len(text):,} characters)"
