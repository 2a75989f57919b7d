"""A grader as a metric: `{{item.reference}}` is the right answer, `{{item.prompt}}` the request, and every further
field of the record is there by its name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.graders.batched_judging import judged_together
from postgrad.evaluation.graders.grader_kinds import Grader, ScoreModel, read_grader
from postgrad.evaluation.graders.grading import ModelCall, run_grader
from postgrad.evaluation.graders.needs import judges, needs_sandbox
from postgrad.evaluation.graders.template import as_sample
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources, MetricResult
from postgrad.json_types import JsonMapping, JsonObject
from postgrad.records import Task
from postgrad.sandbox.run import Sandbox, find_sandbox


def grader_metric(means: MetricResources, source: str | JsonMapping) -> Metric:
    """The metric of a grader, or of the one in a JSON file; a score_model's range becomes 0 to 1.

    Args:
        means: `ask` grades for score_model and label_model, whichever model they name.
        source: The grader, or the path of its file.

    Raises:
        UsageError: The file or the grader is not valid, or what it needs (a judge, a sandbox) is not there.
    """
    form = read_grader(grader_in(source) if isinstance(source, str) else source)
    path = source if isinstance(source, str) else form.name
    if judges(form) and means.ask is None:
        raise UsageError(
            f"The grader {path!r} needs a model that judges.",
            "Name one in the recipe (evaluation.judge), or --set evaluation.judge=MODEL.",
        )
    sandbox = find_sandbox() if needs_sandbox(form) else None

    def measure(cases: Sequence[Case]) -> MetricResult:
        asked = ((as_sample(case.answer), item_of(case)) for case in cases)
        call = judged_together(means.ask, means.judge, form, asked) if means.ask is not None else None
        found = [_score(form, case, call, sandbox, path) for case in cases]
        faults = Counter(flag for _, flags in found for flag in flags)
        details = {"faults": dict(faults.most_common())} if faults else {}
        return MetricResult(tuple(score for score, _ in found), details=details)

    binary = form.type in ("string_check", "label_model")
    return Metric(form.name, measure, title=f"grader {form.name}", right_or_wrong=binary, judges_form=True)


def item_of(case: Case) -> JsonObject:
    """The fields that a grader's `{{item.…}}` finds for a case."""
    record = case.record
    fields = {**record.meta, **(record.fields if isinstance(record, Task) else {})} if record is not None else {}
    prompt = record.prompt_text if record is not None else ""
    return {"prompt": prompt, **fields, "reference": case.reference}


def grader_in(path: str) -> object:
    """The grader that stands in a JSON file, alone or under `grader`; not yet looked into.

    Raises:
        UsageError: the file cannot be read, or holds no JSON object.
    """
    try:
        raw = json.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"The grader {path!r} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"The grader {path!r} is not JSON: {error}.") from error
    if not isinstance(raw, Mapping):
        raise UsageError(f"The grader {path!r} is not a JSON object.")
    return raw.get("grader", raw)


def _score(
    form: Grader, case: Case, call: ModelCall | None, sandbox: Sandbox | None, path: str
) -> tuple[float, list[str]]:
    """The reward as a share, and the flags of what went wrong.

    Raises:
        DataError: A variable of the grader is no field of the record, or the reward is no share.
    """
    outcome = run_grader(form, as_sample(case.answer), item_of(case), call, sandbox)
    where = case.record.source if case.record is not None else "one answer"
    if outcome.faults.get("invalid_variable_error"):
        raise DataError(
            f"The grader {path!r} names a field that {where} does not have.",
            f"Its fields: {', '.join(item_of(case))}.",
        )
    flags = [flag for flag, value in outcome.faults.items() if value is True]
    reward = outcome.reward
    if isinstance(form, ScoreModel) and not flags:
        reward = (reward - form.range[0]) / (form.range[1] - form.range[0])
    if not 0 <= reward <= 1:
        raise DataError(
            f"The grader {path!r} gives {reward:g} at {where}; a metric is a share from 0 to 1.",
            "Scale it: divide in calculate_output, or in grade().",
        )
    return reward, flags
