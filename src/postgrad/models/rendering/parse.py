"""The inverse of a chat template: rendered text back into messages.

The template's own words between messages are learned by rendering marked conversations for every pair of roles that may
follow each other, so no template needs a parser of its own.
"""

from __future__ import annotations

from postgrad.errors import DataError
from postgrad.models.rendering.template import Template
from postgrad.records import Message, Role

_M = [f"\ue000{i}\ue001" for i in range(6)]
_PATTERNS: tuple[tuple[Role, ...], ...] = (
    ("user",),
    ("system", "user"),
    ("user", "assistant"),
    ("system", "user", "assistant"),
    ("user", "assistant", "user"),
    ("user", "assistant", "user", "assistant"),
    ("user", "assistant", "tool"),
    ("user", "assistant", "tool", "assistant"),
)


def parse(template: Template, text: str) -> list[Message]:
    """Messages of `text`; contents must not hold the template's marks.

    Raises:
        DataError: the text does not begin, continue or end as the template writes.
    """
    openings, endings = _learn(template)
    messages: list[Message] = []
    state, place = "start", 0
    while True:
        fitting = [key for key, mark in openings.items() if key[0] == state and text.startswith(mark, place)]
        if not fitting:
            raise DataError(
                f"The text at character {place} ({text[place : place + 40]!r}) was not written by this template."
            )
        key = max(fitting, key=lambda k: len(openings[k]))
        mark, role = openings[key], key[1]
        begin = place + len(mark)
        following = [m for (before, _), m in openings.items() if before == role and m] + [
            e for r, e in endings if r == role
        ]
        ends = [end for m in following if (end := _find(text, m, begin)) >= 0]
        if not ends:
            raise DataError(f"The {role} message at character {begin} has no end mark.")
        end = min(ends)
        messages.append(Message(role, text[begin:end]))
        if any(r == role and text[end:] == e for r, e in endings):
            return messages
        state, place = role, end


def _find(text: str, mark: str, begin: int) -> int:
    return len(text) if not mark else text.find(mark, begin)


def _learn(template: Template) -> tuple[dict[tuple[str, Role], str], set[tuple[Role, str]]]:
    """What the template writes before each role after each other, and what it writes last."""
    openings: dict[tuple[str, Role], str] = {}
    endings: set[tuple[Role, str]] = set()
    for roles in _PATTERNS:
        if roles[0] == "system" and not template.has_system_role:
            continue
        messages = [Message(role, mark) for role, mark in zip(roles, _M, strict=False)]
        try:
            written = template.text(messages)
        except DataError:
            continue
        place, before = 0, "start"
        for role, mark in zip(roles, _M, strict=False):
            if mark not in written[place:]:
                break
            at = written.index(mark, place)
            openings.setdefault((before, role), written[place:at])
            place, before = at + len(mark), role
        else:
            endings.add((roles[-1], written[place:]))
    return openings, endings
