"""JSON and JSON Lines → rows. A broken line is named with its column and what stands there, all broken lines at
once."""

from __future__ import annotations

import json
from typing import Any

from postgrad.data.sources.rows import NAMED, Row
from postgrad.errors import DataError

_EXCERPT = 30
_MEND = 'Each line must be one complete JSON object, as in {"input": "…", "output": "…"}.'


def read_json_lines(text: str, file: str) -> list[Row]:
    """One object a line; blank lines are skipped.

    Raises:
        DataError: Naming up to five broken lines with column and excerpt.
    """
    lines = text.split("\n")
    reader = LineReader(file)
    rows = [row for number, line in enumerate(lines, 1) if (row := reader.read(number, line, number == len(lines)))]
    reader.finish()
    return rows


class LineReader:
    """Reads one object a line and collects the faults of all lines into one message."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._faults: list[str] = []
        self._count = 0

    def read(self, number: int, line: str, last: bool = False) -> Row | None:
        """The row of a line; None for a blank or broken one."""
        if not line.strip():
            return None
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            return self._broken(number, _describe(line, error, last=last))
        except RecursionError:
            return self._broken(number, "is nested too deeply")
        except ValueError as error:  # an integer of thousands of digits
            return self._broken(number, f"cannot be read ({str(error).split(';')[0].lower()})")
        if not isinstance(value, dict):
            return self._broken(number, f"is {_kind(value)}, not an object: {line.strip()[:_EXCERPT]!r}")
        return number, value

    def finish(self) -> None:
        """Called after the last line.

        Raises:
            DataError: Naming up to five broken lines with column and excerpt.
        """
        if self._faults:
            more = f"; and {self._count - len(self._faults)} more" if self._count > len(self._faults) else ""
            raise DataError(f"{self._file}: {'; '.join(self._faults)}{more}.", _MEND)

    def _broken(self, number: int, fault: str) -> None:
        self._count += 1
        if len(self._faults) < NAMED:
            self._faults.append(f"line {number} {fault}")


def read_json(text: str, file: str) -> tuple[list[Row], list[str]]:
    """A list of objects, an object with such a list in it, or an object of equally long columns.

    Raises:
        DataError: Broken JSON, or JSON of another build.
    """
    start = len(text) - len(text.lstrip())
    if text[start] == "[":
        return _read_list(text, start, file), []
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(text, error, file) from error
    except (RecursionError, ValueError) as error:
        raise _unusable(error, file) from error
    return _read_object(value, file)


def _read_list(text: str, start: int, file: str) -> list[Row]:
    """Walks the list item by item, so that each row knows its line."""
    decoder = json.JSONDecoder()
    rows: list[Row] = []
    position, line, counted = _skip(text, start + 1), 1, 0
    while text[position : position + 1] != "]":
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise _broken(text, error, file) from error
        except (RecursionError, ValueError) as error:
            raise _unusable(error, file, line) from error
        if not isinstance(value, dict):
            raise DataError(
                f"{file}, line {line}: item {len(rows) + 1} of the list is {_kind(value)}, not an object.",
                'Give a list of objects, as in [{"input": "…", "output": "…"}, …].',
            )
        rows.append((line, value))
        position = _skip(text, position)
        if text[position : position + 1] == ",":
            position = _skip(text, position + 1)
        elif text[position : position + 1] != "]":
            expected = json.JSONDecodeError("Expecting ',' or ']'", text, min(position, len(text)))
            raise _broken(text, expected, file)
    rest = _skip(text, position + 1)
    if rest < len(text):
        raise _broken(text, json.JSONDecodeError("Extra data after the list", text, rest), file)
    return rows


def _read_object(value: Any, file: str) -> tuple[list[Row], list[str]]:
    lists = {k: v for k, v in value.items() if isinstance(v, list) and v and all(isinstance(i, dict) for i in v)}
    if len(lists) == 1:
        key, items = next(iter(lists.items()))
        return [(number, item) for number, item in enumerate(items, start=1)], [
            f"the examples are the list under {key!r}; their numbers count its items"
        ]
    columns = {k: v for k, v in value.items() if isinstance(v, list)}
    if len(columns) == len(value) >= 2 and len({len(v) for v in columns.values()}) == 1:
        rows = [
            (n, dict(zip(columns, items, strict=True)))
            for n, items in enumerate(zip(*columns.values(), strict=True), 1)
        ]
        return rows, ["the file holds one list for each column; numbers count their items"]
    if any(key in value for key in ("messages", "prompt", "input", "instruction")):
        return [(1, value)], []
    keys = ", ".join(map(repr, list(value)[:5]))
    raise DataError(
        f"{file} is one JSON object ({keys}{', …' if len(value) > 5 else ''}), not a list of examples.",
        'Give a list of objects, as in [{"input": "…", "output": "…"}, …], or JSONL with one object a line.',
    )


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _kind(value: Any) -> str:
    names = {
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        dict: "an object",
    }
    return names.get(type(value), "null")


def _describe(line: str, error: json.JSONDecodeError, *, last: bool) -> str:
    near = line[max(0, error.pos - _EXCERPT) : error.pos + _EXCERPT].strip()
    cut = " (the last line: perhaps the file was cut off)" if last and error.pos >= len(line.rstrip()) - 1 else ""
    return f"is broken at column {error.colno} ({error.msg.lower()}) near {near!r}{cut}"


def _unusable(error: Exception, file: str, line: int = 1) -> DataError:
    what = "is nested too deeply" if isinstance(error, RecursionError) else "holds a number of thousands of digits"
    return DataError(f"{file}, line {line}: the JSON {what}.", "Fix that place, or leave the item out.")


def _broken(text: str, error: json.JSONDecodeError, file: str) -> DataError:
    near = text[max(0, error.pos - _EXCERPT) : error.pos + _EXCERPT].strip()
    at_end = error.pos >= len(text.rstrip())
    return DataError(
        f"{file}, line {error.lineno}, column {error.colno}: this is not valid JSON ({error.msg.lower()}) near"
        f" {near!r}.",
        (
            "The file seems to be cut off: get it again."
            if at_end
            else "Fix that place, or give JSONL (one object a line)."
        ),
    )
