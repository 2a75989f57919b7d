"""`results.jsonl`: every test example with every arm's answer, one line each, beside `report.json`.

Written and read a line at a time, so that a long test never stands in memory as text. `schema_version` grows by one
when a field changes its meaning or goes; new optional fields do not count as change. The schema is published: `postgrad
report-schema results`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from postgrad.errors import DataError
from postgrad.json_types import JsonObject
from postgrad.records import Conversation, Message, Source
from postgrad.storage import file_atomic

RESULTS_VERSION = 1
RESULTS_FILE = "results.jsonl"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ArmAnswer(_Part):
    """What one arm answered to one example.

    `score` is the primary metric, from 0 to 1. `confidence` is the geometric mean probability of the answer's tokens,
    None where it is not known (remote models). `finish` is `stop` or `length` (cut at the limit), None where it is not
    known.
    """

    answer: str
    score: float = Field(ge=0, le=1)
    confidence: float | None = Field(default=None, ge=0, le=1)
    finish: str | None = None


class ResultLine(_Part):
    """One test example.

    `hash` is the SHA-256 of the example's content without system messages, by which two files are paired. `prompt` are
    the example's own messages before the answer, as OpenAI's chat format spells them; `reference` is the right answer,
    `reference_calls` the tool calls that it makes. `trained_on` names the models that had this example, or nearly this
    one, in their training data.
    """

    schema_version: int = RESULTS_VERSION
    hash: str
    file: str = ""
    line: int = 0
    prompt: list[JsonObject]
    reference: str
    reference_calls: list[JsonObject] = []
    tools: list[JsonObject] = []
    group: str | None = None
    arms: dict[str, ArmAnswer] = Field(default_factory=dict)
    trained_on: list[str] = []

    @property
    def prompt_text(self) -> str:
        """What is asked, for people."""
        return self.record().prompt_text

    def record(self) -> Conversation:
        """The example, as metrics and slices take it."""
        answer = Message("assistant", self.reference, tool_calls=tuple(self.reference_calls))
        messages = (*(Message.from_dict(m) for m in self.prompt), answer)
        return Conversation(messages=messages, tools=tuple(self.tools), source=Source(self.file, self.line))


def write_results(lines: Iterable[ResultLine], folder: Path) -> Path:
    """Writes `results.jsonl` into `folder`, whole or not at all."""
    path = folder / RESULTS_FILE
    with file_atomic(path, 0o644) as out:
        for line in lines:
            raw = line.model_dump(mode="python", exclude_defaults=True)
            text = json.dumps({"schema_version": RESULTS_VERSION, **raw}, ensure_ascii=False)
            out.write(text.encode("utf-8", "surrogatepass") + b"\n")
    return path


def read_results(place: Path) -> Iterator[ResultLine]:
    """The lines of a results file, or of the one in a report's folder.

    Raises:
        DataError: there is none, or a line is not of this schema.
    """
    path = place if place.is_file() else place / RESULTS_FILE
    try:
        stream = path.open(encoding="utf-8", errors="surrogatepass")
    except FileNotFoundError as error:
        raise DataError(
            f"{str(path)!r} does not exist: the answers to each test example are needed.",
            "Reports of an older version have none. Run the same command again; it reuses its measurements, so that is"
            " quick.",
        ) from error
    with stream:
        for number, text in enumerate(stream, 1):
            if text.strip():
                yield _line(text, path, number)


def _line(text: str, path: Path, number: int) -> ResultLine:
    try:
        raw = json.loads(text)
        version = raw.get("schema_version") if isinstance(raw, dict) else None
        if version != RESULTS_VERSION:
            raise DataError(
                f"{path}:{number} is of schema version {version!r}; this postgrad reads version {RESULTS_VERSION}.",
                "Create it again with this version, or read it with the version that wrote it.",
            )
        return ResultLine.model_validate(raw)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{number} is not JSON: {error}.", "Create it again: the same command as before."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DataError(
            f"{path}:{number} is not a line of results: {where}: {first['msg']}.",
            "Create it again: the same command as before.",
        ) from error
