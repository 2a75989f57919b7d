"""Running a grader on one answer: texts are filled in, compared, calculated, judged by a model, or graded by a
program."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from postgrad.errors import PostgradError, UsageError
from postgrad.evaluation.graders.formula import Formula
from postgrad.evaluation.graders.grader_kinds import (
    Grader,
    LabelModel,
    Multi,
    PythonGrader,
    ScoreModel,
    StringCheck,
    TextSimilarity,
    read_grader,
)
from postgrad.evaluation.graders.outcome import GraderResult, Reply
from postgrad.evaluation.graders.replies import label_request, read_label, read_score, score_request
from postgrad.evaluation.graders.similarity import similarity
from postgrad.evaluation.graders.template import VariableError, as_sample, fill
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.sandbox.run import Limits, Sandbox, lines_after

__all__ = ["ModelCall", "Reply", "chats_of", "run", "run_grader", "validate"]
ModelCall = Callable[[str, Sequence[Mapping[str, str]], JsonMapping], Reply]
"""(model's name, chat, sampling parameters) → what it said. May raise a PostgradError where the model cannot be had."""
LIMITS = Limits(seconds=60.0, memory_bytes=1 << 30)
_RUNNER = """
import json, os, sys
work = json.load(sys.stdin)
names = {"__name__": "grader"}
exec(compile(work["source"], "grader", "exec"), names)
value = names["grade"](work["sample"], work["item"])
os.write(1, ("\\n" + work["token"] + json.dumps(float(value)) + "\\n").encode())
"""


def validate(grader: JsonMapping) -> JsonObject:
    """The response of `POST /fine_tuning/alpha/graders/validate`.

    Raises:
        UsageError: The grader is not valid; every fault is named.
    """
    read_grader(grader)
    return {"grader": dict(grader)}


def run(
    grader: JsonMapping,
    sample: str | JsonMapping,
    item: JsonMapping | None = None,
    *,
    ask: ModelCall | None = None,
    sandbox: Sandbox | None = None,
) -> JsonObject:
    """The response of `POST /fine_tuning/alpha/graders/run`; what goes wrong on the way stands in its `errors`.

    Args:
        grader: As JSON.
        sample: What the model said: text, or an object with `output_text`, `output_json`, `output_tools`.
        item: The fields of the example.
        ask: Models that grade; without it score_model and label_model graders report a server error.
        sandbox: Where python graders run; without it they report a server error and are not run.

    Raises:
        UsageError: The grader is not valid.
    """
    form = read_grader(grader)
    start = time.monotonic()
    outcome = run_grader(form, as_sample(sample), item or {}, ask, sandbox)
    return outcome.body(form.name, form.type, time.monotonic() - start)


def run_grader(
    form: Grader, sample: JsonMapping, item: JsonMapping, ask: ModelCall | None, sandbox: Sandbox | None
) -> GraderResult:
    """The outcome of a grader that was read; see `run`."""
    outcome = GraderResult()
    try:
        if isinstance(form, Multi):
            return _multi(form, sample, item, ask, sandbox)
        if isinstance(form, PythonGrader):
            return _python(form, sample, item, sandbox)
        if isinstance(form, ScoreModel | LabelModel):
            return _model(form, sample, item, ask)
        left, right = fill(form.input, sample, item), fill(form.reference, sample, item)
    except VariableError as error:
        return outcome.fault("sample_parse_error" if error.sample else "invalid_variable_error")
    if isinstance(form, TextSimilarity):
        outcome.reward = similarity(form.evaluation_metric, left, right)
    else:
        outcome.reward = float(_compares(form, left, right))
    return outcome


def _compares(form: StringCheck, left: str, right: str) -> bool:
    if form.operation == "eq":
        return left == right
    if form.operation == "ne":
        return left != right
    return right in left if form.operation == "like" else right.casefold() in left.casefold()


def _multi(
    form: Multi, sample: JsonMapping, item: JsonMapping, ask: ModelCall | None, sandbox: Sandbox | None
) -> GraderResult:
    outcome = GraderResult()
    for name, inner in form.graders.items():
        part = run_grader(inner, sample, item, ask, sandbox)
        outcome.sub_rewards[name] = part.reward
        outcome.replies += part.replies
        outcome.faults |= part.faults
    try:
        outcome.reward = Formula.parse(form.calculate_output).value(outcome.sub_rewards)
    except ArithmeticError:
        return outcome.fault("other_error")
    return outcome


def _python(form: PythonGrader, sample: JsonMapping, item: JsonMapping, sandbox: Sandbox | None) -> GraderResult:
    outcome = GraderResult()
    if sandbox is None:
        return outcome.fault("python_grader_server_error", python_grader_server_error_type="no_sandbox")
    token = uuid.uuid4().hex
    work = {"token": token, "source": form.source, "sample": dict(sample), "item": dict(item)}
    done = sandbox.run(_RUNNER, json.dumps(work, default=str), LIMITS)
    if done.timed_out:
        return outcome.fault("python_grader_server_error", python_grader_server_error_type="timeout")
    said = lines_after(done.output, token)
    value = float(said[-1]) if said else math.nan
    if not math.isfinite(value):
        why = "grade gave no finite number" if said else "\n".join(done.errors.strip().splitlines()[-6:])
        return outcome.fault("python_grader_runtime_error", python_grader_runtime_error_details=why or "ended early")
    outcome.reward = value
    return outcome


def chats_of(form: Grader, sample: JsonMapping, item: JsonMapping) -> list[list[dict[str, str]]]:
    """The chats that a grader asks models about one answer, in their order; none where a variable has no value."""
    if isinstance(form, Multi):
        return [chat for inner in form.graders.values() for chat in chats_of(inner, sample, item)]
    if not isinstance(form, ScoreModel | LabelModel):
        return []
    try:
        return [_chat(form, sample, item)]
    except VariableError:
        return []


def _chat(form: ScoreModel | LabelModel, sample: JsonMapping, item: JsonMapping) -> list[dict[str, str]]:
    chat = [{"role": m.role, "content": "".join(fill(t, sample, item) for t in m.texts())} for m in form.input]
    chat.append(score_request(form.range) if isinstance(form, ScoreModel) else label_request(form.labels))
    return chat


def _model(
    form: ScoreModel | LabelModel, sample: JsonMapping, item: JsonMapping, ask: ModelCall | None
) -> GraderResult:
    outcome, chat = GraderResult(), _chat(form, sample, item)
    if ask is None:
        return outcome.fault("model_grader_server_error", model_grader_server_error_details="no model is at hand")
    sampling = form.sampling_params.model_dump(exclude_none=True) if form.sampling_params else {}
    try:
        reply = ask(form.model, chat, sampling)
    except UsageError:
        raise
    except PostgradError as error:
        return outcome.fault("model_grader_server_error", model_grader_server_error_details=error.message)
    outcome.replies.append(reply if reply.model else replace(reply, model=form.model))
    if reply.refused:
        return outcome.fault("model_grader_refusal_error")
    if isinstance(form, ScoreModel):
        score = read_score(reply.text, form.range)
        if score is None:
            return outcome.fault("model_grader_parse_error")
        outcome.reward = score
        return outcome
    label = read_label(reply.text, form.labels)
    if label is None:
        return outcome.fault("model_grader_parse_error")
    outcome.reward = float(label in form.passing_labels)
    return outcome
