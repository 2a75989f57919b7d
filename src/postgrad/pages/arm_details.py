"""What stands below the arms on the report's page: scores by class, and what went wrong how often.

Read from `ArmPart.details` as the metrics wrote it; a table of a form that is not known here stays in report.json
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postgrad.json_types import JsonObject
from postgrad.pages import formatting
from postgrad.report.arm_parts import ArmPart

ROWS = 12
CONFUSIONS = 5
COUNTS = 8
TITLES = {"faults": "What was wrong", "broken": "Rules broken", "fields": "Field by field"}


@dataclass(frozen=True)
class ClassRow:
    """One class: how many test examples it has, and its F1 in each shown arm, the chosen one first."""

    name: str
    n: int
    f1: dict[str, float]


@dataclass(frozen=True)
class ClassTable:
    """The weakest classes of the chosen arm beside the best other arm.

    Attributes:
        left_out: How many classes are not shown.
        confusions: (right class, given class or "", how often) of the chosen arm, most often first.
    """

    arms: tuple[str, ...]
    rows: tuple[ClassRow, ...]
    left_out: int
    confusions: tuple[tuple[str, str, int], ...]


def class_table(arms: Sequence[ArmPart], chosen: ArmPart | None) -> ClassTable | None:
    """The table of classes; None where the metric knows none.

    Args:
        arms: All arms, best first.
        chosen: The arm that the page speaks of.
    """
    if chosen is None or not (classes := _table(chosen, "classes")):
        return None
    others = [arm for arm in arms if arm.name != chosen.name and _table(arm, "classes")][:1]
    shown = [(arm.name, _table(arm, "classes")) for arm in (chosen, *others)]
    order = sorted(classes, key=lambda name: (classes[name]["f1"], -classes[name]["n"], name))
    rows = tuple(
        ClassRow(name, classes[name]["n"], {arm: table[name]["f1"] for arm, table in shown if name in table})
        for name in order[:ROWS]
    )
    wrong = [
        (wanted, given, count)
        for wanted, row in _table(chosen, "confusion").items()
        for given, count in row.items()
        if given != wanted
    ]
    wrong.sort(key=lambda item: (-item[2], item[0], item[1]))
    return ClassTable(tuple(name for name, _ in shown), rows, len(order) - len(rows), tuple(wrong[:CONFUSIONS]))


def tallies(chosen: ArmPart | None) -> list[tuple[str, list[tuple[str, str]]]]:
    """For the chosen arm: (title, rows of name and number) of each count that its metrics kept."""
    out: list[tuple[str, list[tuple[str, str]]]] = []
    for metric, tables in (chosen.details if chosen else {}).items():
        for key, title in TITLES.items():
            table = tables.get(key) if isinstance(tables, Mapping) else None
            if isinstance(table, Mapping) and table:
                rows = [(str(name), _count(value)) for name, value in list(table.items())[:COUNTS]]
                out.append((f"{title} ({formatting.spaced(metric)}, {chosen.name if chosen else ''})", rows))
    return out


def retrieval_lines(arms: Sequence[ArmPart]) -> list[str]:
    """What retrieval found, apart from what was answered, for each arm that retrieves."""
    found = [(arm.name, arm.details.get("retrieval")) for arm in arms]
    return [f"{name}: {part['sentence']}" for name, part in found if isinstance(part, Mapping) and part.get("sentence")]


def _count(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{formatting.score(value.get('right'))} of {value.get('n')} right"
    return str(value)


def _table(arm: ArmPart, key: str) -> JsonObject:
    """The first table of that name among an arm's metrics."""
    return next((t[key] for t in arm.details.values() if isinstance(t, Mapping) and t.get(key)), {})
