"""The bodies of `/v1/evals`: OpenAI's fields with their bounds; what this server has nothing for is refused by name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictStr

from postgrad.errors import UsageError
from postgrad.evaluation.graders import Grader, read_grader
from postgrad.evaluation.metrics.support.bounded_schema import BoundedSchema
from postgrad.json_types import JsonObject
from postgrad.serving.wire.api_errors import ApiError
from postgrad.serving.wire.strict import Strict

Labels = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[StrictStr, Field(max_length=512)]], Field(max_length=16)
]
DIALECT = "https://json-schema.org/draft/2020-12/schema"
"""What an `item_schema` is read by, whatever it says of itself."""
KINDS = ("string_check", "text_similarity", "label_model", "score_model", "python")


class DataSourceConfig(Strict):
    """What the rows of an evaluation's data look like."""

    type: Literal["custom", "logs", "stored_completions"]
    item_schema: JsonObject | None = None
    include_sample_schema: bool = False
    metadata: JsonObject | None = None

    def view(self) -> JsonObject:
        """As OpenAI gives it back: one schema for `item` and `sample`.

        Raises:
            ApiError: it speaks of completions that were stored, of which this server has none, or its schema is none.
        """
        if self.type != "custom":
            raise ApiError(
                400,
                f"This server stores no chat completions, so the data source {self.type!r} has no rows. Use 'custom'"
                " with a file or file_content.",
                "nothing_stored",
                "data_source_config.type",
            )
        if self.item_schema is None:
            raise ApiError(
                400,
                "Missing required parameter: 'data_source_config.item_schema'.",
                "missing_required_parameter",
                "data_source_config.item_schema",
            )
        _refuse_no_schema(self.item_schema)
        parts: JsonObject = {"item": self.item_schema}
        if self.include_sample_schema:
            text = {"type": "string"}
            parts["sample"] = {"type": "object", "properties": {"model": text, "output_text": text}}
        return {"type": "custom", "schema": {"type": "object", "properties": parts, "required": list(parts)}}


class CreateEval(Strict):
    """The body that creates an evaluation."""

    data_source_config: DataSourceConfig
    testing_criteria: Annotated[list[JsonObject], Field(min_length=1, max_length=64)]
    name: Annotated[StrictStr, Field(max_length=512)] | None = None
    metadata: Labels | None = None


class UpdateEval(Strict):
    """The body that changes an evaluation; omitted fields are unchanged."""

    name: Annotated[StrictStr, Field(max_length=512)] | None = None
    metadata: Labels | None = None


class InlineRow(Strict):
    """One row of data given in the request."""

    item: JsonObject
    sample: JsonObject | None = None


class RowSource(Strict):
    """Where the rows of a run come from."""

    type: Literal["file_content", "file_id", "stored_completions", "responses"]
    content: Annotated[list[InlineRow], Field(min_length=1)] | None = None
    id: StrictStr | None = None
    created_after: object = None
    created_before: object = None
    limit: object = None
    metadata: object = None
    model: object = None
    instructions_search: object = None
    reasoning_effort: object = None
    temperature: object = None
    tools: object = None
    top_p: object = None
    users: object = None


class InputMessages(Strict):
    """The prompt: a template of messages, or the messages in each row."""

    type: Literal["template", "item_reference"]
    template: Annotated[list[JsonObject], Field(min_length=1)] | None = None
    item_reference: StrictStr | None = None


class DataSource(Strict):
    """What a run judges: rows with answers in them (`jsonl`), or the answers of a model (`completions`,
    `responses`)."""

    type: Literal["jsonl", "completions", "responses"]
    source: RowSource
    model: StrictStr | None = None
    input_messages: InputMessages | None = None
    sampling_params: JsonObject | None = None


class CreateRun(Strict):
    """The body that creates a run."""

    data_source: DataSource
    name: Annotated[StrictStr, Field(max_length=512)] | None = None
    metadata: Labels | None = None


def read_criterion(raw: JsonObject, where: str = "testing_criteria") -> Grader:
    """The grader of a testing criterion, which may have a `pass_threshold` besides.

    Raises:
        ApiError: it is none, or of a kind that evaluations do not take.
    """
    if raw.get("type") not in KINDS:
        message = f"Invalid value: {raw.get('type')!r}. Supported values are: {', '.join(KINDS)}."
        raise ApiError(400, message, "invalid_value", f"{where}.type")
    threshold = raw.get("pass_threshold")
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int | float)):
        raise ApiError(400, "'pass_threshold' must be a number.", "invalid_value", f"{where}.pass_threshold")
    if raw["type"] == "text_similarity" and threshold is None:
        message = "A text_similarity criterion needs a 'pass_threshold'."
        raise ApiError(400, message, "missing_required_parameter", f"{where}.pass_threshold")
    try:
        return read_grader({k: v for k, v in raw.items() if k != "pass_threshold"})
    except UsageError as error:
        raise ApiError(400, str(error), "invalid_grader", where) from error


def _refuse_no_schema(schema: JsonObject) -> None:
    try:
        BoundedSchema(schema, DIALECT)
    except ValueError as error:
        message = f"'item_schema' cannot be used as a JSON schema: {error}."
        raise ApiError(400, message, "invalid_json_schema", "data_source_config.item_schema") from error
