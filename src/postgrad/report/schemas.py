"""The published schemas of everything that postgrad leaves for programs to read; `docs/schema` holds them as files."""

from __future__ import annotations

from pydantic import BaseModel

from postgrad.json_types import JsonObject
from postgrad.report.comparison import CompareReport
from postgrad.report.results import ResultLine
from postgrad.report.run_report import CheckReport, Report

SCHEMAS: dict[str, type[BaseModel]] = {
    "report": Report,
    "check": CheckReport,
    "results": ResultLine,
    "compare": CompareReport,
}
FILES = {
    "report": "report.json",
    "check": "check.json",
    "results": "each line of results.jsonl",
    "compare": "compare.json",
}


def schema_of(name: str) -> JsonObject:
    """The JSON schema (draft 2020-12) by a name in `SCHEMAS`.

    Raises:
        KeyError: there is no such schema.
    """
    model = SCHEMAS[name]
    schema = model.model_json_schema()
    schema.pop("title", None)
    version = model.model_fields["schema_version"].default
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"postgrad: {FILES[name]}, schema version {version}",
        **schema,
    }
