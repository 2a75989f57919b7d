"""A chat template in Go's language, as Ollama has it, made from the one in Jinja; and a renderer of what is made here,
so that both are compared before the model leaves.

Only templates that write each message between fixed marks can be made: the marks are learned by rendering marked
conversations, and what they make is compared with Jinja's on every question.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from postgrad.errors import DataError, UsageError
from postgrad.models.rendering.template import Template
from postgrad.records import Message, Role

_MARK = "\ue010{}\ue011"
_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


@dataclass(frozen=True)
class Marks:
    """What stands around each message.

    Attributes:
        begin: Before everything.
        default: Instead of a system message where there is none.
        around: By role, what stands before and after a content.
        asks: Before the answer that is asked for.
        merged: Whether a system message stands inside the first user message.
    """

    begin: str
    default: str
    around: dict[str, tuple[str, str]]
    asks: str
    merged: bool


def learned(template: Template) -> Marks:
    """The marks of a template.

    Raises:
        UsageError: it writes messages in another way than between fixed marks.
    """

    def text(*roles: Role, asked: bool = False) -> str:
        messages = [Message(role, _MARK.format(i)) for i, role in enumerate(roles)]
        return template.text(messages, tools=(), start_answer=asked)

    try:
        with_answers = text("user", "assistant", "user", "assistant", "user")
        first, between, again, between_2, _, last = _split(with_answers, 5)
        if between != between_2:
            raise _unfit()
        asks = text("user", asked=True).removeprefix(text("user"))
        merged = not template.has_system_role
        user = _tail(again, first)
        if not merged:
            before, middle, _ = _split(text("system", "user"), 2)
            user = _tail(user, middle)
        after_user, before_assistant = _cut(between, last)
        after_assistant = again.removesuffix(user) if user and again.endswith(user) else again
        begin = first.removesuffix(user)
        around = {"user": (user, after_user), "assistant": (before_assistant, after_assistant)}
        default = ""
        if merged:
            around["system"] = (user, "\n\n")
        else:
            before, middle, _ = _split(text("system", "user"), 2)
            after_system = middle.removesuffix(user)
            head = begin
            while head and not before.startswith(head):
                head = head[:-1]
            default, begin = begin[len(head) :], head
            around["system"] = (before[len(head) :], after_system)
    except (DataError, ValueError) as error:
        raise _unfit() from error
    return Marks(begin, default, around, asks, merged)


def _unfit() -> UsageError:
    return UsageError(
        "The base's chat template writes messages in a way that was not found again in Go's template language.",
        "Take --to gguf: llama.cpp, LM Studio and others read the template as it is.",
    )


def _split(text: str, count: int) -> list[str]:
    """What stands before, between and after the marks."""
    out, at = [], 0
    for i in range(count):
        place = text.index(_MARK.format(i), at)
        out.append(text[at:place])
        at = place + len(_MARK.format(i))
    return [*out, text[at:]]


def _tail(text: str, other: str) -> str:
    """The longest common end."""
    count = 0
    while count < min(len(text), len(other)) and text[-1 - count] == other[-1 - count]:
        count += 1
    return text[len(text) - count :]


def _cut(between: str, last: str) -> tuple[str, str]:
    """What stands between a request and an answer: what ends the one and what begins the other. The text after the last
    request ends a request alone."""
    if not between.startswith(last):
        raise ValueError(between)
    return last, between[len(last) :]


def go_template(template: Template) -> str:
    """The template in Go's language.

    Raises:
        UsageError: it cannot be written so.
    """
    marks = learned(template)

    def said(text: str) -> str:
        return "{{ " + json.dumps(text, ensure_ascii=False) + " }}" if text else ""

    def around(role: str) -> str:
        before, after = marks.around[role]
        return f"{said(before)}{{{{ .Content }}}}{said(after)}"

    out = said(marks.begin)
    if marks.default:
        out += '{{ if ne (index .Messages 0).Role "system" }}' + said(marks.default) + "{{ end }}"
    if not marks.merged:
        body = (
            '{{ if eq .Role "system" }}'
            + around("system")
            + '{{ else if eq .Role "user" }}'
            + around("user")
            + '{{ else if eq .Role "assistant" }}'
            + around("assistant")
            + "{{ end }}"
        )
        return out + "{{ range .Messages }}" + body + "{{ end }}" + said(marks.asks)
    before, after = marks.around["user"]
    body = (
        '{{ if eq .Role "system" }}' + around("system") + "{{ $joined = true }}"
        '{{ else if eq .Role "user" }}{{ if not $joined }}' + said(before) + "{{ end }}{{ $joined = false }}"
        "{{ .Content }}" + said(after) + '{{ else if eq .Role "assistant" }}' + around("assistant") + "{{ end }}"
    )
    return out + "{{ $joined := false }}{{ range .Messages }}" + body + "{{ end }}" + said(marks.asks)


def rendered(source: str, messages: Sequence[Message]) -> str:
    """What Go makes of a template of `go_template`.

    Raises:
        UsageError: it has an action that is none of those.
    """
    return _Go(source).run(list(messages))


class _Go:
    """Runs the actions that `go_template` writes."""

    def __init__(self, source: str) -> None:
        self.parts: list[tuple[str, str]] = []
        at = 0
        for found in _ACTION.finditer(source):
            self.parts.append(("text", source[at : found.start()]))
            self.parts.append(("do", found.group(1).strip()))
            at = found.end()
        self.parts.append(("text", source[at:]))
        self.values: dict[str, bool] = {}

    def run(self, messages: list[Message]) -> str:
        out, _ = self._block(0, len(self.parts), messages, None)
        return out

    def _block(self, at: int, end: int, messages: list[Message], this: Message | None) -> tuple[str, int]:
        out = ""
        while at < end:
            kind, text = self.parts[at]
            if kind == "text":
                out, at = out + text, at + 1
            elif text == "range .Messages":
                stop = self._end_of(at)
                for message in messages:
                    out += self._block(at + 1, stop, messages, message)[0]
                at = stop + 1
            elif text.startswith("if "):
                stop = self._end_of(at)
                out += self._branch(at, stop, messages, this)
                at = stop + 1
            elif text.startswith('"'):
                out, at = out + json.loads(text), at + 1
            elif text == ".Content" and this is not None:
                out, at = out + this.content, at + 1
            elif assigned := re.match(r"(\$\w+) :?= (true|false)\Z", text):
                self.values[assigned.group(1)] = assigned.group(2) == "true"
                at += 1
            else:
                raise UsageError(f"The template has the action {text!r}.")
        return out, at

    def _branch(self, at: int, stop: int, messages: list[Message], this: Message | None) -> str:
        """The first branch of an `if` whose condition holds."""
        places = [at, *self._else_places(at, stop), stop]
        for begin, end in pairwise(places):
            condition = self.parts[begin][1].removeprefix("else ").removeprefix("if ")
            if condition == "else" or self._holds(condition, messages, this):
                return self._block(begin + 1, end, messages, this)[0]
        return ""

    def _holds(self, condition: str, messages: list[Message], this: Message | None) -> bool:
        if found := re.match(r'eq \.Role "(\w+)"\Z', condition):
            return this is not None and this.role == found.group(1)
        if found := re.match(r'ne \(index \.Messages 0\)\.Role "(\w+)"\Z', condition):
            return messages[0].role != found.group(1)
        if found := re.match(r"not (\$\w+)\Z", condition):
            return not self.values[found.group(1)]
        raise UsageError(f"The template has the condition {condition!r}.")

    def _end_of(self, at: int) -> int:
        depth = 0
        for place in range(at, len(self.parts)):
            kind, text = self.parts[place]
            if kind == "do" and text.startswith(("if ", "range ")):
                depth += 1
            elif kind == "do" and text == "end":
                depth -= 1
                if not depth:
                    return place
        raise UsageError("The template has no end for a block.")

    def _else_places(self, at: int, stop: int) -> list[int]:
        depth, out = 0, list[int]()
        for place in range(at, stop):
            kind, text = self.parts[place]
            if kind == "do" and text.startswith(("if ", "range ")):
                depth += 1
            elif kind == "do" and text == "end":
                depth -= 1
            elif kind == "do" and text.startswith("else") and depth == 1:
                out.append(place)
        return out
