"""A person goes through what the checks found, record by record: each is kept, mended or dropped, and every decision is
written down at once, so that the next sitting goes on where this one ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from postgrad.errors import DataError
from postgrad.findings import Checked, Repair
from postgrad.json_types import JsonObject
from postgrad.records import Conversation, Message, Record, content_hash

Choice = Literal["keep", "drop", "mend", "answer"]


@dataclass(frozen=True, slots=True)
class Item:
    """A record to look at.

    Attributes:
        index: Its place among the records as read.
        record: As read.
        why: What was found: (check, evidence), the gravest first.
        repair: What the gravest check proposes; None where it proposes nothing.
    """

    index: int
    record: Record
    why: tuple[tuple[str, str], ...]
    repair: Repair | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided of one record: `answer` is the new one, where the choice is `answer`."""

    choice: Choice
    answer: str = ""


def queue(checked: Checked) -> list[Item]:
    """The records that a check names as an error or a warning, those of the gravest findings first, none twice."""
    why: dict[int, list[tuple[str, str]]] = {}
    repairs: dict[int, Repair] = {}
    for finding in checked.findings:
        if finding.severity == "info":
            continue
        proposed = {repair.index: repair for repair in finding.repairs}
        for place, index in enumerate(finding.indices):
            evidence = finding.evidence[place] if place < len(finding.evidence) else finding.sentence
            why.setdefault(index, []).append((finding.check, evidence))
            if index in proposed:
                repairs.setdefault(index, proposed[index])
    return [Item(i, checked.records[i], tuple(found), repairs.get(i)) for i, found in why.items()]


def mended(checked: Checked, items: Iterable[Item], decisions: Mapping[int, Decision]) -> list[Record]:
    """The records after the decisions; where nothing was decided, as the checks leave them (safe repairs made).

    Args:
        checked: What the checks found.
        items: Its `queue`.
        decisions: By the places of the records.
    """
    gone = {id(item.record) for item in checked.dropped}
    after = {id(item.before): item.after for item in checked.changed}
    repairs = {item.index: item.repair for item in items}
    out: list[Record] = []
    for index, record in enumerate(checked.records):
        decision = decisions.get(index)
        if decision is None:
            if id(record) not in gone:
                out.append(after.get(id(record), record))
        elif decision.choice == "keep":
            out.append(record)
        elif decision.choice == "answer":
            out.append(with_answer(record, decision.answer))
        elif decision.choice == "mend" and (repair := repairs.get(index)) and repair.record is not None:
            out.append(repair.record)
    return out


def with_answer(record: Record, answer: str) -> Record:
    """A conversation with another answer at its end.

    Raises:
        DataError: the record is none, or has no answer.
    """
    if not isinstance(record, Conversation) or record.answer is None:
        raise DataError(f"{record.source}: only conversations that end with an answer can be given another one.")
    return replace(record, messages=(*record.prompt, Message("assistant", answer)))


class Log:
    """The decisions so far, a line of JSON each, beside the mended file.

    Args:
        path: The file; made when the first decision is added.
        records: Those to decide on; a decision counts for a record at the same place that says the same.
    """

    def __init__(self, path: Path, records: Sequence[Record]) -> None:
        self.path = path
        self._keys = [_key(record) for record in records]
        self.decisions: dict[int, Decision] = {}
        places = {key: index for index, key in enumerate(self._keys)}
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                said: JsonObject = json.loads(line)
                key = (said["file"], said["line"], said["record"])
                decision = Decision(said["choice"], said.get("answer", ""))
            except (ValueError, KeyError, TypeError):
                continue  # the last line of a sitting that was killed
            if key in places:
                self.decisions[places[key]] = decision

    def add(self, item: Item, decision: Decision) -> None:
        """Writes a decision down; a later one of the same record counts instead."""
        file, line, digest = self._keys[item.index]
        said = {
            "file": file,
            "line": line,
            "record": digest,
            "choice": decision.choice,
            "checks": [c for c, _ in item.why],
        }
        if decision.choice == "answer":
            said |= {"answer": decision.answer, "before": item.record.answer_text}
        with self.path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(said, ensure_ascii=False) + "\n")
        self.decisions[item.index] = decision

    def open_items(self, items: Iterable[Item]) -> list[Item]:
        """Those not decided yet."""
        return [item for item in items if item.index not in self.decisions]


def _key(record: Record) -> tuple[str, int, str]:
    return record.source.file, record.source.line, content_hash(record)[:16]
