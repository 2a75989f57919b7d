"""How a metric is spelled on the command line and in a recipe, read into a name and options.

`numeric`, `numeric(tolerance=0.01, units=false)`, `numeric:tolerance=0.01`, `mine.py:function`, `grader.json`,
`reward:NAME`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import Any

from postgrad.errors import UsageError
from postgrad.json_types import JsonObject

_CALL = re.compile(r"\A\s*([\w.-]+)\s*(?:\((.*)\))?\s*\Z", re.DOTALL)
_COLON = re.compile(r"\A\s*([\w-]+)\s*:\s*(\w+\s*=.*)\Z", re.DOTALL)
_OWN = re.compile(r"\A\s*(.+\.py):(\w+)\s*\Z")
_REWARD = re.compile(r"\A\s*reward:([^\s()=,]+)\s*\Z")
_WORDS = {"true": True, "yes": True, "false": False, "none": None, "null": None}
_OPEN, _CLOSE = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Spec:
    """A metric as it was spelled.

    Attributes:
        name: Of the metric; the path for `own` and `grader`.
        options: By name, as plain values.
        function: Name of the function where it is the user's own.
        grader: Whether it is a file with a grader in the OpenAI form.
    """

    name: str
    options: JsonObject = field(default_factory=dict)
    function: str = ""
    grader: bool = False


def read_spec(text: str) -> Spec:
    """The name and options in `text`.

    Raises:
        UsageError: It is not spelled as a metric.
    """
    if model := reward_model_in(text):
        return Spec("reward", {"model": model})
    if own := _OWN.match(text):
        return Spec(own.group(1).strip(), function=own.group(2))
    if text.strip().endswith(".json"):
        return Spec(text.strip(), grader=True)
    found = _COLON.match(text) or _CALL.match(text)
    if not found:
        raise UsageError(
            f"The metric {text!r} cannot be read.",
            "Write a name (chrf), a name with options (numeric(tolerance=0.01)), a function of yours (mine.py:score),"
            " or a file with a grader (grader.json).",
        )
    return Spec(found.group(1), dict(_option(part, text) for part in _parts(found.group(2) or "")))


def reward_model_in(text: str) -> str:
    """The name of the registered reward model that `reward:NAME` means; empty for what is spelled otherwise."""
    found = _REWARD.match(text)
    return found.group(1) if found else ""


def _option(part: str, whole: str) -> tuple[str, Any]:
    name, equals, value = part.partition("=")
    if not equals or not name.strip().isidentifier():
        raise UsageError(
            f"The option {part.strip()!r} of the metric {whole!r} has no name or no value.",
            "Write options as name=value, separated by commas; put text that holds commas or brackets into quotes.",
        )
    return name.strip(), _value(value.strip())


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PYTHONS = frozenset("\\'\"abfnrtvxuUN01234567\n")
"""What stands after the backslash in an escape of Python's. Any other backslash, as in a pattern's `\\d`, is itself."""


def _value(text: str) -> Any:
    """A Python literal, true, false or none; anything else is text as it stands."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(_ESCAPE.sub(lambda m: m[0] if m[1] in _PYTHONS else "\\" + m[0], text))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def _parts(text: str) -> list[str]:
    """Splits at the commas that stand outside quotes and brackets."""
    parts, depth, quote, start = [], 0, "", 0
    for i, character in enumerate(text):
        if quote:
            if character == quote and text[i - 1] != "\\":
                quote = ""
        elif character in "\"'" and text[start:i].rstrip().endswith(("=", "[", ",", "(", "{", ":")):
            quote = character
        elif character in _OPEN:
            depth += 1
        elif character in _CLOSE:
            depth -= 1
        elif character == "," and depth <= 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [part for part in parts if part.strip()]
