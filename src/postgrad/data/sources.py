"""From a path to rows: CSV, TSV, JSON and JSON Lines, plain or packed with gzip. The content decides, not the name.

What cannot be read is refused with one message that says what the file is and what to do.
"""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

from postgrad.data.encodings import decode
from postgrad.data.json_rows import read_json, read_json_lines
from postgrad.data.kinds import binary_kind
from postgrad.data.rows import Row, Rows, columns_of
from postgrad.data.tables import read_table
from postgrad.errors import DataError

EXTENSIONS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_UNPACKED_LIMIT = 2**31
_ROW_NOTES = 5


def read_rows(path: Path) -> Rows:
    """Reads one file of examples.

    Args:
        path: A .csv, .tsv, .json, .jsonl or .ndjson file, or one of these packed with gzip; other names are judged by
            content.

    Raises:
        DataError: The file is missing, a folder, unreadable, empty, binary, broken, or holds no examples.
    """
    path = Path(path)
    file = str(path)
    raw = _unpack(_read_bytes(path), file)
    _refuse_binary(raw, file)
    decoded = decode(raw)
    text, notes = decoded.text, list(decoded.notes)
    if "\x00" in text:
        notes.append(f"{text.count(chr(0))} NUL characters were removed")
        text = text.replace("\x00", "")
    if not text.strip():
        raise _empty(file)
    named = _named_format(path)
    form = _format_of(text, named)
    if named and form != named and {form, named} != {"csv", "tsv"}:
        notes.append(f"the name says {named}, but the content is {form} and was read as such")
    if form in ("csv", "tsv"):
        table = read_table(text, file, prefer="\t" if named == "tsv" else ",")
        form = "tsv" if table.delimiter == "\t" else "csv"
        return Rows(file, form, table.rows, table.columns, (*notes, *table.notes))
    return _from_json(text, file, form, notes)


def _from_json(text: str, file: str, form: str, notes: list[str]) -> Rows:
    rows, more = (read_json_lines(text, file), []) if form == "jsonl" else read_json(text, file)
    rows = [(line, values) for line, values in rows if values]
    if not rows:
        raise DataError(f"{file} holds no examples: its list is empty.", "Give one object for each example.")
    return Rows(file, form, tuple(rows), columns_of(rows), (*notes, *more, *_missing_keys(rows)))


def _read_bytes(path: Path) -> bytes:
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        beside = sorted(p.name for p in path.parent.glob(f"*{path.suffix}"))[:3] if path.parent.is_dir() else []
        hint = f" Files there: {', '.join(beside)}." if beside else ""
        raise DataError(f"There is no file {str(path)!r}.", f"Check the spelling and the folder.{hint}") from error
    except IsADirectoryError as error:
        usable = [p.name for p in sorted(path.iterdir()) if Path(p.name.removesuffix(".gz")).suffix in EXTENSIONS][:5]
        hint = f"Name the files themselves: {', '.join(usable)}." if usable else "Name a CSV, TSV, JSON or JSONL file."
        raise DataError(f"{str(path)!r} is a folder, not a file of examples.", hint) from error
    except PermissionError as error:
        raise DataError(f"No permission to read {str(path)!r}.", f"Allow it: chmod u+r {path}") from error
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror}.", "Check the disk or the path.") from error
    if not raw.strip(b"\x00 \t\r\n"):
        raise _empty(str(path))
    return raw


def _empty(file: str) -> DataError:
    return DataError(f"{file} is empty.", "Give a file with one example a line; 50 to 100 are usual to begin with.")


def _unpack(raw: bytes, file: str) -> bytes:
    """Unpacks gzip, one layer, up to a limit that stops a file made to fill the memory."""
    if not raw.startswith(b"\x1f\x8b"):
        return raw
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
            unpacked = packed.read(_UNPACKED_LIMIT + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{file} is a damaged gzip file ({error}).", "Get or pack it again.") from error
    if len(unpacked) > _UNPACKED_LIMIT:
        raise DataError(f"{file} unpacks to more than {_UNPACKED_LIMIT // 2**30} GB.", "Split it into smaller files.")
    if not unpacked.strip():
        raise _empty(file)
    return unpacked


def _refuse_binary(raw: bytes, file: str) -> None:
    kind = binary_kind(raw)
    if kind is not None:
        raise DataError(f"{file} is {kind[0]}, not a text table.", kind[1])


def _named_format(path: Path) -> str | None:
    return EXTENSIONS.get(Path(path.name.lower().removesuffix(".gz")).suffix)


def _format_of(text: str, named: str | None) -> str:
    """The format by content: what begins and goes on like JSON is JSON, whatever its name; else the name decides."""
    start = text.lstrip()
    first, _, rest = start.partition("\n")
    if start[0] == "[" and start[1:].lstrip()[:1] in ("{", "]"):
        return "json"
    if start[0] == "{":
        pretty = first.strip() == "{"
        if _is_object(first):
            return "jsonl" if rest.strip() or named == "jsonl" else "json"
        if pretty or named in ("json", "jsonl"):
            return "json" if pretty or named == "json" else "jsonl"
    return named or "csv"


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _missing_keys(rows: Sequence[Row]) -> list[str]:
    """A note on keys that only some objects have."""
    columns = columns_of(rows)
    partial = [c for c in columns if any(c not in values for _, values in rows)]
    shown = ", ".join(f"{c!r} ({sum(c in v for _, v in rows)} of {len(rows)})" for c in partial[:_ROW_NOTES])
    return [f"not every object has all keys: {shown}"] if partial else []
