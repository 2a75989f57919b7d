"""Raw chat (IRC, WhatsApp) → rows of time, speaker and text. Who asks and who answers is not in such a file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from postgrad.data.sources.rows import Row, Rows, were
from postgrad.errors import DataError
from postgrad.json_types import JsonObject

RAW_CHAT = ("irc", "whatsapp", "slack")
"""Formats whose rows are single messages without roles."""
_SHARE = 0.8
_SAMPLE = 60
_FEWEST = 3
_TIME = r"(?:\d{4}-\d\d-\d\d[T ])?\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?(?: ?[AaPp][Mm])?"
_IRC = re.compile(rf"^\[?(?P<time>{_TIME})\]?\s+<[@+%&~ ]?(?P<speaker>[^>\s]{{1,64}})>\s?(?P<text>.*)$")
_IRC_ASIDE = re.compile(rf"^(?:=== |(?:\[?{_TIME}\]?\s+)?(?:\* |\*\*\*|-!-|-->|<--|--\s|-\S+-))")
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}"
_WHATSAPP = re.compile(
    rf"^\u200e?\[?(?P<time>{_DATE},? \d{{1,2}}[:.]\d\d(?:[:.]\d\d)?(?:[\s\u202f]?[AaPp]\.?[\s]?[Mm]\.?)?)(?:\]| -)"
    r" (?P<rest>.*)$"
)
_SAID = re.compile(r"^(?P<speaker>[^:]{1,60}): ?(?P<text>.*)$", re.DOTALL)


def chat_form(text: str) -> str | None:
    """`irc` or `whatsapp` where most of the first lines look so; else None."""
    lines = [line for line in text[: 2**16].split("\n") if line.strip()][:_SAMPLE]
    irc = sum(bool(_IRC.match(line)) for line in lines)
    asides = sum(bool(_IRC_ASIDE.match(line)) for line in lines)
    if irc >= _FEWEST and irc + asides >= _SHARE * len(lines):
        return "irc"
    starts = [bool(_WHATSAPP.match(line)) for line in lines]
    if lines and starts[0] and sum(starts) >= max(_FEWEST, 0.3 * len(lines)):
        return "whatsapp"
    return None


def is_chat(head: bytes) -> bool:
    """Whether a file's first bytes look like a chat log."""
    return chat_form(head.decode("utf-8", "replace")) is not None


def read_chat(text: str, file: str, form: str, notes: Iterable[str] = ()) -> Rows:
    """Rows of `time`, `speaker`, `text`.

    Raises:
        DataError: Nobody says anything.
    """
    rows, asides = _read_irc(text) if form == "irc" else _read_whatsapp(text)
    if not rows:
        raise DataError(f"{file} is a chat log without messages.", "Give a longer log.")
    left = (
        [f"{were(asides, 'line')} left out: written by the chat itself (joins, notices and the like)"] if asides else []
    )
    return Rows(file, form, tuple(rows), ("time", "speaker", "text"), (*notes, *left))


def _read_irc(text: str) -> tuple[list[Row], int]:
    rows: list[Row] = []
    asides = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if found := _IRC.match(line.rstrip("\r")):
            rows.append((number, found.groupdict()))
        elif line.strip():
            asides += 1
    return rows, asides


def _read_whatsapp(text: str) -> tuple[list[Row], int]:
    """Lines without a time go on with the message before them."""
    rows: list[Row] = []
    asides = 0
    current: JsonObject | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip("\r")
        found = _WHATSAPP.match(line)
        if found is None:
            if current is not None:
                current["text"] += f"\n{line}"
            elif line.strip():
                asides += 1
            continue
        said = _SAID.match(found["rest"])
        current = {"time": found["time"], "speaker": said["speaker"], "text": said["text"]} if said else None
        if current is None:
            asides += 1
        else:
            rows.append((number, current))
    for _, values in rows:
        values["text"] = values["text"].strip()
    return rows, asides
