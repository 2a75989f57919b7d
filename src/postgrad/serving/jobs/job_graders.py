"""What the methods of a job need, seen when it is created: settings that go together, a grader that can run on this
server."""

from __future__ import annotations

from collections.abc import Callable

from postgrad.data.shapes.read_tasks import fields_of, reference_of
from postgrad.errors import UsageError
from postgrad.evaluation.graders.grader_kinds import read_grader
from postgrad.evaluation.graders.needs import judges, missing, needs_sandbox
from postgrad.json_types import JsonObject
from postgrad.sandbox.run import find_sandbox
from postgrad.serving.wire.api_errors import ApiError
from postgrad.steps.openai_jobs.hyperparameters import chosen, recipe_of

_GRADER = "method.reinforcement.grader"


def refuse_what_cannot_run(
    method: JsonObject, extra: JsonObject, base: str, base_of: Callable[[str], str | None]
) -> list[str]:
    """Refuses a job that could only fail; returns what its owner should be told.

    Args:
        method: OpenAI's, with all hyperparameters.
        extra: postgrad's own settings.
        base: The base model to be trained.
        base_of: The base model that this server offers under a name.

    Raises:
        ApiError: naming the field.
    """
    kind, said = method["type"], []
    if kind == "reinforcement":
        _refuse_grader(method[kind]["grader"], base_of)
        if method[kind]["hyperparameters"]["reasoning_effort"] != "default":
            said.append("reasoning_effort is stored with the job but not used: the base model has no such setting.")
    numbers = chosen(method[kind]["hyperparameters"], 100)
    try:
        recipe_of(base, "", 0, numbers, extra, 100, method)
    except UsageError as error:
        raise ApiError(400, error.message, "invalid_hyperparameters", "method") from error
    return said


def _refuse_grader(grader: JsonObject, base_of: Callable[[str], str | None]) -> None:
    try:
        form = read_grader(grader)
    except UsageError as error:
        raise ApiError(400, error.message, "invalid_grader", _GRADER) from error
    if needs_sandbox(form):
        try:
            find_sandbox()
        except UsageError as error:
            message = f"Python graders are off on this server: {error.message} {error.mend}"
            raise ApiError(400, message, "python_grader_unavailable", _GRADER) from error
    named = judges(form)
    if len(named) > 1:
        message = f"The graders name {len(named)} models ({', '.join(named)}); a job has one model that grades."
        raise ApiError(400, message, "invalid_grader", _GRADER)
    if unknown := [name for name in named if base_of(name) is None]:
        message = f"The grader's model `{unknown[0]}` is not one of this server's base models, and no other is queried."
        raise ApiError(400, message, "model_not_found", _GRADER)


def lacking(grader: JsonObject) -> Callable[[JsonObject], str]:
    """Says of an example of a training file which of the grader's variables it has no value for."""
    form = read_grader(grader)

    def lacks(example: JsonObject) -> str:
        item = {"prompt": "", **fields_of(example), "reference": reference_of(example)}
        found = missing(form, item)
        return f"has no value for {', '.join(found)}, which the grader requires" if found else ""

    return lacks
