"""The variables in a grader's texts: `{{item.field}}`, `{{sample.output_text}}`, `{{sample.output_json.a.b}}`,
`{{sample.output_tools}}`. Nothing else is a variable, and no value is read as a template again.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from postgrad.evaluation.metrics.support.call_text import read_calls
from postgrad.json_types import JsonMapping, JsonObject

_PATH = re.compile(r"(?:item|sample)(?:\.\w[\w-]*|\[\d+\])*\Z")
_STEP = re.compile(r"\.(\w[\w-]*)|\[(\d+)\]")
_SAMPLE = ("output_text", "output_json", "output_tools")


def _parts(text: str) -> Iterator[tuple[str, str | None]]:
    """What stands before each variable, and its path; at the end what is left, and None. In linear time."""
    place = 0
    while (begin := text.find("{{", place)) >= 0 and (end := text.find("}}", begin + 2)) >= 0:
        yield text[place:begin], text[begin + 2 : end].strip()
        place = end + 2
    yield text[place:], None


def _paths(text: str) -> list[str]:
    return [path for _, path in _parts(text) if path is not None]


class VariableError(Exception):
    """A variable that has no value. `sample` tells whether the model's answer is at fault rather than the grader."""

    def __init__(self, message: str, *, sample: bool = False) -> None:
        super().__init__(message)
        self.sample = sample


def check_template(text: str) -> None:
    """Refuses variables that no item or sample can have.

    Raises:
        ValueError: Names them.
    """
    for path in _paths(text):
        second = path.partition(".")[2].partition(".")[0].partition("[")[0]
        if not _PATH.match(path) or (path.startswith("sample") and second not in _SAMPLE):
            raise ValueError(
                f"there is no variable {{{{{path}}}}}; there are {{{{item.FIELD}}}}, "
                + ", ".join(f"{{{{sample.{name}}}}}" for name in _SAMPLE)
            )


def item_variables(text: str) -> list[str]:
    """The paths of the variables in a text that speak of the item."""
    return [path for path in _paths(text) if path.startswith("item")]


def fill(text: str, sample: JsonMapping, item: JsonMapping) -> str:
    """The text with its variables' values; what is no text becomes JSON.

    Raises:
        VariableError: A variable has no value.
    """
    return "".join(
        before + ("" if path is None else _spelled(value_of(path, sample, item))) for before, path in _parts(text)
    )


def value_of(path: str, sample: JsonMapping, item: JsonMapping) -> object:
    """The value of a variable's path, such as `item.answer`.

    Raises:
        VariableError: It has none.
    """
    of_sample = path.startswith("sample")
    value: Any = sample if of_sample else item
    for name, place in _STEP.findall(path):
        try:
            if name and isinstance(value, Mapping):
                value = value[name]
            elif isinstance(value, list):
                value = value[int(place or name)]
            else:
                raise KeyError(name or place)
        except (KeyError, IndexError, ValueError) as error:
            raise VariableError(f"{{{{{path}}}}} has no value", sample=of_sample) from error
    return value


def _spelled(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def as_sample(said: str | JsonMapping) -> JsonObject:
    """The `sample` of the variables from what a model said: its text, its JSON if it is JSON, its calls of tools."""
    if not isinstance(said, str):
        return {"output_text": "", "output_tools": [], **said}
    sample: JsonObject = {"output_text": said, "output_tools": _tools(said)}
    with contextlib.suppress(ValueError, RecursionError):  # else the variable has no value, and who needs it says so
        sample["output_json"] = json.loads(said)
    return sample


def _tools(said: str) -> list[JsonObject]:
    calls = read_calls(said) or []
    return [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": c.name, "arguments": json.dumps(c.arguments, ensure_ascii=False, default=str)},
        }
        for n, c in enumerate(calls)
    ]
