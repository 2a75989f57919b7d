"""Calls of tools: how a template writes them, calls read back from an answer, and the form an answer must have to be
a call.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from postgrad.errors import DataError
from postgrad.models.rendering.template import Template
from postgrad.models.rendering.tool_text import WRITTEN_OUT, ToolForm
from postgrad.records import Message

_NAME, _KEY, _VALUE = "\ue000name\ue001", "\ue000key\ue001", "\ue000value\ue001"


@functools.lru_cache(maxsize=32)
def _learned(source: str, tokens: tuple[tuple[str, str], ...]) -> ToolForm | None:
    template = Template(source, dict(tokens))
    if not template.has_tools:
        return WRITTEN_OUT
    tool = {"type": "function", "function": {"name": _NAME, "description": "d", "parameters": {"type": "object"}}}
    call = {"id": "call00000", "type": "function", "function": {"name": _NAME, "arguments": {_KEY: _VALUE}}}
    try:
        asked = template.text([Message("user", "u")], tools=[tool], start_answer=True)
        said = template.text([Message("user", "u"), Message("assistant", "", tool_calls=(call,))], tools=[tool])
    except DataError:
        return None
    if not said.startswith(asked):
        return None
    return _form(said[len(asked) :], dict(tokens).get("eos_token", ""))


def tool_form(template: Template) -> ToolForm:
    """How the template writes a call, learned by rendering a marked one.

    Raises:
        DataError: it writes calls in a way that is not JSON, which cannot be read back.
    """
    form = _learned(template.source, tuple(sorted(template.tokens.items())))
    if form is None:
        raise DataError(
            "This model's chat template writes tool calls in a form that this server cannot read back.",
            "Leave the tools out, or use a model whose template writes calls as JSON.",
        )
    return form


def _form(rest: str, end: str) -> ToolForm | None:
    """The form in what the template wrote after the start of the answer."""
    at = rest.find("{")
    while 0 <= at < rest.find(_NAME):
        try:
            value, after = json.JSONDecoder().raw_decode(rest, at)
        except ValueError:
            at = rest.find("{", at + 1)
            continue
        name = next((k for k, v in value.items() if v == _NAME), None)
        arguments = next((k for k, v in value.items() if v == {_KEY: _VALUE}), None)
        if name and arguments:
            opening, closing = rest[:at], (rest[after:].split(end)[0] if end else rest[after:]).rstrip("\n")
            listed = opening.rstrip().endswith("[") and closing.lstrip().startswith("]")
            if listed:
                opening, closing = opening.rstrip()[:-1], closing.lstrip()[1:]
            return ToolForm(opening, closing, name, arguments, listed)
        at = rest.find("{", at + 1)
    return None


@dataclass(frozen=True, slots=True)
class Call:
    """One call in an answer: the function's name and its arguments as JSON text."""

    name: str
    arguments: str


def read_calls(text: str, form: ToolForm, names: Collection[str]) -> tuple[str, list[Call]]:
    """(text beside the calls, calls). What is no whole call of one of the named functions stays text."""
    calls: list[Call] = []
    beside: list[str] = []
    place = 0
    while (at := text.find(form.mark, place)) >= 0:
        begin = at + len(form.mark) if form.opening.strip() else at
        found, end = _object(text, begin)
        fresh = [call for item in found if (call := _call(item, form, names))]
        if not fresh or len(fresh) < len(found):
            beside.append(text[place : at + len(form.mark)])
            place = at + len(form.mark)
            continue
        beside.append(text[place:at])
        calls += fresh
        place = end
        rest = text[place:].lstrip()
        if form.closing.strip() and rest.startswith(form.closing.strip()):
            place = len(text) - len(rest) + len(form.closing.strip())
    beside.append(text[place:])
    return "".join(beside).strip() if calls else text, calls


def _object(text: str, begin: int) -> tuple[list[Any], int]:
    """The JSON object or list of objects that begins here, and where it ends."""
    start = begin + len(text[begin:]) - len(text[begin:].lstrip())
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return [], begin
    return (value if isinstance(value, list) else [value]), end


def _call(item: Any, form: ToolForm, names: Collection[str]) -> Call | None:
    if not isinstance(item, dict) or item.get(form.name) not in names:
        return None
    given = item.get(form.arguments, item.get("parameters", {}))
    if isinstance(given, str):
        return Call(item[form.name], given)
    return Call(item[form.name], json.dumps(given, ensure_ascii=False))
