"""Of what group the people in a text are, as its words say, and the text without these words."""

from __future__ import annotations

import re
from functools import cache

from postgrad.facts import load_facts

MASK = "§"


_FACTS = load_facts("groups")
_PEOPLE = frozenset(_FACTS["people"])
_BEING = frozenset(_FACTS["being"])
_WORD = re.compile(r"[^\W\d_]+")
_LATER_NAMES = re.compile(rf"{MASK}(?:\s+(?:{MASK}|[A-Z][a-z]+))+")

Group = tuple[str, str]
"""(attribute, group): (gender, female)."""


@cache
def _table() -> tuple[dict[str, list[Group]], dict[str, list[Group]]]:
    """Word → what it says of a person, of those that always do and of those that do beside a word for people."""
    always: dict[str, list[Group]] = {}
    beside: dict[str, list[Group]] = {}
    for attribute, groups in _FACTS.items():
        for group, lists in groups.items() if isinstance(groups, dict) else ():
            for word in (*lists.get("names", ()), *lists.get("words", ())):
                always.setdefault(word, []).append((attribute, group))
            for word in lists.get("called", ()):
                beside.setdefault(word, []).append((attribute, group))
    return always, beside


def _people(text: str) -> list[tuple[re.Match[str], list[Group]]]:
    """The words of a text that say of what group a person is."""
    always, beside = _table()
    words = list(_WORD.finditer(text))
    found = []
    for at, match in enumerate(words):
        word = match[0]
        groups = always.get(word, always.get(word.lower(), []))
        if not groups and (groups := beside.get(word, beside.get(word.lower(), []))):
            rest = text[match.end() :].lstrip(" ")
            following = _WORD.match(rest)
            named = following is not None and following[0].lower() in _PEOPLE
            said = following is None and at > 0 and words[at - 1][0].lower() in _BEING
            groups = groups if named or said else []
        if groups:
            found.append((match, groups))
    return found


def groups_in(text: str) -> dict[str, str]:
    """Attribute → the group that a text names; attributes of which it names none, or several, are left out."""
    seen: dict[str, set[str]] = {}
    for _, groups in _people(text):
        for attribute, group in groups:
            seen.setdefault(attribute, set()).add(group)
    return {attribute: groups.pop() for attribute, groups in seen.items() if len(groups) == 1}


def without_groups(text: str) -> str:
    """The text with every such word, and the capitalised words that follow a name (family names), as one sign."""
    out, last = [], 0
    for match, _ in _people(text):
        out += [text[last : match.start()], MASK]
        last = match.end()
    return _LATER_NAMES.sub(MASK, "".join([*out, text[last:]]))
