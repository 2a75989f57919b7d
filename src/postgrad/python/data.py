"""The functions of the API that read data only: `read`, `check`, `convert`. They import no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from postgrad.data.load import LoadedRecords, load
from postgrad.data.shapes.message_layout import MessageColumns
from postgrad.data.sources.in_memory import sources
from postgrad.data.writing.convert import Converted
from postgrad.data.writing.convert import convert as convert_files
from postgrad.errors import UsageError
from postgrad.findings import Checked
from postgrad.pages.check_page import write_check
from postgrad.progress import Working
from postgrad.python.arguments import DataLike, Place, listed
from postgrad.python.own import OwnChecks, given_of
from postgrad.python.running import DoorCall, Running
from postgrad.workflows import check as checking
from postgrad.workflows.finding_list import write_list


def read(
    data: DataLike,
    *,
    input: str | Sequence[str] | None = None,
    output: str | Sequence[str] | None = None,
    thread: str | None = None,
    speaker: str | None = None,
    assistant: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
) -> LoadedRecords:
    """Reads data into records, and reports how it was interpreted.

    Args:
        data: See `DataLike`.
        input: Column(s) of the request; found in the data when None.
        output: Column(s) of the answer.
        thread: Of data with one row for each message: column of the conversation; found when None.
        speaker: Column that says who wrote a message.
        assistant: Whose messages are the answers: names, or patterns such as `*@haven.example`.
        system_prompt: Put in front of every prompt that has no system message.

    Raises:
        DataError: it cannot be read.
    """
    return load(
        sources(data),
        input_column=input,
        output_column=output,
        system_prompt=system_prompt,
        messages=_messages(thread, speaker, assistant),
        minimum=1,
    )


def _messages(thread: str | None, speaker: str | None, assistant: str | Sequence[str] | None) -> MessageColumns:
    return MessageColumns(thread, speaker, tuple(listed(assistant) or ()))


@DoorCall
def check(
    data: DataLike,
    *,
    input: str | Sequence[str] | None = None,
    output: str | Sequence[str] | None = None,
    thread: str | None = None,
    speaker: str | None = None,
    assistant: str | Sequence[str] | None = None,
    against: DataLike = None,
    glossary: Place | None = None,
    base: str | None = None,
    accept: Sequence[str] = (),
    repair: Sequence[str] = (),
    checks: OwnChecks = (),
    out: Place | None = None,
) -> Running[Checked]:
    """Finds every fault in the data; makes the safe repairs. Imports no torch.

    Args:
        data: See `DataLike`.
        input: Column(s) of the request.
        output: Column(s) of the answer.
        thread: Of data with one row for each message: column of the conversation; found when None.
        speaker: Column that says who wrote a message.
        assistant: Whose messages are the answers: names, or patterns such as `*@haven.example`.
        against: Requests seen in production, to compare with.
        glossary: File of your own words: lines `sofa: couch, settee`, or a table of two columns.
        base: Count tokens as this model does.
        accept: Checks whose errors are accepted and whose repairs are not made.
        repair: Checks whose repairs are made although they are not safe unasked.
        checks: Checks of your own, beside postgrad's.
        out: Folder for `check.html`, `check.csv` (every finding) and `check.json`.

    Raises:
        DataError: the data cannot be read.
        UsageError: a name that is no check's.
    """
    given = given_of(checks=checks).given

    def begin(stopped: Callable[[], bool]) -> Working[Checked]:
        request = checking.CheckRequest(
            paths=tuple(sources(data)),
            input=listed(input),
            output=listed(output),
            messages=_messages(thread, speaker, assistant),
            production=() if against is None else tuple(sources(against)),
            glossary=glossary,
            base=base,
            accept=tuple(accept),
            repair=tuple(repair),
        )
        outcome = yield from checking.check(request, stopped)
        if out is not None:
            write_check(outcome.report, Path(out))
            write_list(outcome.checked, Path(out) / "check.csv")
        return outcome.checked

    return Running(begin, given)


def convert(
    data: DataLike,
    out: Place,
    to: str,
    *,
    input: str | Sequence[str] | None = None,
    output: str | Sequence[str] | None = None,
    thread: str | None = None,
    speaker: str | None = None,
    assistant: str | Sequence[str] | None = None,
    system_prompt: str | None = None,
    skip: bool = False,
    meta: bool | None = None,
    force: bool = False,
) -> Converted:
    """Writes data in another shape; ambiguous data is refused.

    Args:
        data: See `DataLike`.
        out: File to write; its ending decides the container.
        to: Shape: openai-chat, trl-messages, csv, postgrad-jsonl … (docs/data.md).
        input: Column(s) of the request.
        output: Column(s) of the answer.
        thread: Of data with one row for each message: column of the conversation; found when None.
        speaker: Column that says who wrote a message.
        assistant: Whose messages are the answers: names, or patterns such as `*@haven.example`.
        system_prompt: Instruction for every record that has none.
        skip: Leave out records that the shape cannot hold.
        meta: Write metadata where the shape can hold it; None: unless a vendor's upload may refuse it.
        force: Replace `out` if it is there.

    Raises:
        UsageError: no such shape or container, or the file is there.
        DataError: records cannot be read or held.
    """
    target = Path(out)
    if target.exists() and not force:
        raise UsageError(f"{str(target)!r} already exists.", "Choose another name, or replace it: force=True")
    return convert_files(
        sources(data),
        target,
        to,
        input_column=input,
        output_column=output,
        system_prompt=system_prompt,
        messages=_messages(thread, speaker, assistant),
        skip=skip,
        meta=meta,
    )
