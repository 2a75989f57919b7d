"""The formats that can be read. A new one is a file with its reading function and one line in `FORMATS`, from where
files, folders, zip archives and the hub know it.

What the first bytes say goes before what the name says: a spreadsheet named .csv is read as a spreadsheet. A file that
no line claims is text, and `text_files` looks what it is. Others add theirs without touching it, as an entry point of
an installed package in the group `postgrad.formats`; those are asked before all of the house.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from postgrad.data.formats.chat_logs import is_chat
from postgrad.data.formats.format import Format, magic
from postgrad.data.formats.mail import mail_form, read_mail
from postgrad.data.formats.mail_folder import read_mail_folder
from postgrad.data.formats.text_files import read_text, stream_text
from postgrad.data.sources.apart import rows_apart
from postgrad.data.sources.chunks import WHOLE, Chunker
from postgrad.data.sources.file_types import ZIP
from postgrad.data.sources.rows import Rows
from postgrad.errors import UsageError
from postgrad.extensions import Extended, of_its_name, with_name

_COLUMNS = "postgrad.data.formats.columnar:stream_columnar"
_SHEET = "postgrad.data.formats.workbooks:stream_workbook"
HEAD = 16_384
"""How many of a file's first bytes are looked at."""


def _text(kind: str, endings: tuple[str, ...], claim: str = "", *, on_hub: bool = False) -> Format:
    """Text: its name is what it claims to be, its content decides."""
    return Format(
        kind,
        endings,
        lambda stream, _part: read_text(stream, claim),
        lambda stream, chunk: stream_text(stream, chunk, claim),
        on_hub=on_hub,
    )


def _columns(form: str, endings: tuple[str, ...], *beginnings: bytes) -> Format:
    return Format(
        "Parquet or Arrow",
        endings,
        lambda stream, _part: Chunker.join(list(rows_apart(_COLUMNS, stream, form, WHOLE))),
        lambda stream, chunk: rows_apart(_COLUMNS, stream, form, chunk),
        begins=magic(*beginnings),
        on_hub=True,
    )


def _workbook(form: str, endings: tuple[str, ...], *beginnings: bytes) -> Format:
    return Format(
        "spreadsheet",
        endings,
        lambda stream, part: list(rows_apart(_SHEET, stream, form, part))[0],  # noqa: RUF015 - heard to its end
        begins=magic(*beginnings),
        has_parts=True,
    )


def _mail(form: str, whole_folder: Callable[[Path, Sequence[Path]], Rows] | None = None) -> Format:
    return Format(
        "mail",
        (f".{form}",),
        lambda stream, _part: read_mail(stream, form),
        begins=lambda head: mail_form(head) == form,
        whole_folder=whole_folder,
    )


TEXT = _text("text", ())
"""What no line claims."""
FORMATS: tuple[Format, ...] = (
    _columns("parquet", (".parquet",), b"PAR1"),
    _text("JSON", (".jsonl", ".ndjson"), "jsonl", on_hub=True),
    _text("JSON", (".json",), "json", on_hub=True),
    _text("CSV or TSV", (".csv",), "csv", on_hub=True),
    _text("CSV or TSV", (".tsv", ".tab"), "tsv", on_hub=True),
    _columns("arrow", (".arrow", ".feather"), b"ARROW1", b"\xff\xff\xff\xff"),
    _workbook("zip", (".xlsx", ".ods"), *ZIP),
    _workbook("office", (".xls",), b"\xd0\xcf\x11\xe0"),
    _mail("mbox"),
    _mail("eml", read_mail_folder),
    Format("chat log", (".txt", ".log"), TEXT.read, TEXT.stream, begins=is_chat, needs_both=True),
)


@functools.cache
def formats() -> tuple[Format, ...]:
    """Those that are read, in the order in which they are asked: of installed packages, then `FORMATS`.

    Raises:
        UsageError: one of a package's cannot be taken, or claims an ending that is another's.
    """
    house = {form.kind: form for form in FORMATS}
    table = Extended("postgrad.formats", house, "format", take=_others)
    taken = {ending: "postgrad" for form in FORMATS for ending in form.endings}
    others = {name: _watched(table[name], table.origin(name)) for name in table if table.origin(name)}
    for name, form in others.items():
        for ending in () if form.needs_both else form.endings:
            if ending in taken:
                raise UsageError(
                    f"The format {name!r} of {table.origin(name)} claims files that end with {ending}, which"
                    f" {taken[ending]} reads.",
                    "Ask its author for another ending, or to look at the first bytes besides (needs_both).",
                )
            taken[ending] = table.origin(name)
    return (*others.values(), *FORMATS)


def _others(name: str, given: object) -> Format:
    return of_its_name(given, Format, name, "kind")


def _watched(form: Format, origin: str) -> Format:
    """With faults told under its name, but for those of its `stream`, which come while others read."""
    what = f"The format {form.kind!r} of {origin}"
    begins = form.begins and with_name(form.begins, what)
    return replace(form, read=with_name(form.read, what), begins=begins)


def data_endings() -> frozenset[str]:
    """Of files that count as data."""
    return frozenset(ending for form in formats() for ending in form.endings)


def hub_endings() -> tuple[str, ...]:
    """Of files that are taken from the hub; the one preferred first, where a data set has files of several: those of
    the house."""
    house = {ending: None for form in FORMATS if form.on_hub for ending in form.endings}
    return tuple(house | {ending: None for form in formats() if form.on_hub for ending in form.endings})


def kinds() -> tuple[str, ...]:
    """What the formats are called towards the user."""
    return tuple(dict.fromkeys(form.kind for form in (*FORMATS, *formats())))


def format_of(head: bytes, ending: str) -> Format:
    """The format of a file, by its first bytes and the ending of its name (lower case, without that of a packing)."""
    for form in formats():
        if form.begins is not None and not form.needs_both and form.begins(head):
            return form
    for form in formats():
        if ending in form.endings and (form.begins is None or (form.needs_both and form.begins(head))):
            return form
    return TEXT


def format_named(ending: str) -> Format | None:
    """The format that an ending claims; None for an ending that is none of data."""
    return next((form for form in formats() if ending in form.endings), None)
