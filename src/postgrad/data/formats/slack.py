"""A Slack export (a folder with users.json and a folder for each channel) → one row a message, threads marked."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

from postgrad.data.sources.rows import Row, Rows, were
from postgrad.errors import DataError
from postgrad.json_types import JsonMapping, JsonObject

COLUMNS = ("time", "speaker", "text", "channel", "thread")
_DAY = re.compile(r"^\d{4}-\d\d-\d\d\.json$")
_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^>]*)?>")


def is_slack(folder: Path) -> bool:
    """Whether a folder is such an export."""
    return (folder / "users.json").is_file() and any(
        _DAY.match(path.name) for channel in folder.iterdir() if channel.is_dir() for path in channel.iterdir()
    )


def read_slack(folder: Path) -> Rows:
    """All messages, channel by channel and day by day; a row's line is its place in the day's file.

    Raises:
        DataError: A file that is no JSON list, or no message.
    """
    names = {u.get("id"): _name(u) for u in _list(folder / "users.json")}
    rows: list[Row] = []
    left = 0
    for path in sorted(p for p in folder.glob("*/*.json") if _DAY.match(p.name)):
        for number, message in enumerate(_list(path), start=1):
            text = message.get("text")
            if (
                message.get("subtype") in ("channel_join", "channel_leave", "channel_topic", "channel_purpose")
                or not text
            ):
                left += 1
                continue
            speaker = str(names.get(message.get("user")) or message.get("username") or message.get("user") or "")
            values = (_time(message.get("ts")), speaker, _MENTION.sub(lambda m: f"@{names.get(m[1], m[1])}", text))
            thread = message.get("thread_ts") or message.get("ts") or ""
            rows.append((number, dict(zip(COLUMNS, (*values, path.parent.name, thread), strict=True))))
    if not rows:
        raise DataError(f"The Slack export {str(folder)!r} holds no messages.", "Export a longer time.")
    notes = [f"{were(left, 'message')} left out: without text (joins, files and the like)"] if left else []
    return Rows(str(folder), "slack", tuple(rows), COLUMNS, tuple(notes))


def _list(path: Path) -> list[JsonObject]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} cannot be read ({error}).", "Export it again.") from error
    if not isinstance(value, list):
        raise DataError(f"{str(path)!r} holds no list.", "Export it again.")
    return [item for item in value if isinstance(item, dict)]


def _name(user: JsonMapping) -> str:
    profile = user.get("profile") or {}
    return profile.get("display_name") or user.get("real_name") or user.get("name") or ""


def _time(stamp: Any) -> str:
    try:
        return dt.datetime.fromtimestamp(float(stamp), dt.UTC).isoformat(timespec="seconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return str(stamp or "")
