"""What grades answers while a model is trained by them: a grader in OpenAI's form, a metric, or a registered reward
model, bound to the recipe."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.errors import DataError, UsageError
from postgrad.evaluation.graders.as_metric import grader_in, item_of
from postgrad.evaluation.graders.batched_judging import judged_together
from postgrad.evaluation.graders.grader_kinds import Grader, read_grader
from postgrad.evaluation.graders.grading import run_grader
from postgrad.evaluation.graders.needs import judges, missing, needs_sandbox
from postgrad.evaluation.graders.template import as_sample
from postgrad.evaluation.metrics.support.fields import reference_of
from postgrad.evaluation.metrics.support.metric import Case, Metric, MetricResources
from postgrad.evaluation.metrics.support.named import metric_named
from postgrad.evaluation.metrics.support.spec import reward_model_in
from postgrad.json_types import JsonMapping
from postgrad.records import Record, Task
from postgrad.sandbox.run import find_sandbox
from postgrad.steps.arms.reward_models import RegisteredRewards, registered_rewards
from postgrad.storage import sha256_json
from postgrad.training.rewards import Graded, Reward
from postgrad.training.rollouts import RolloutOptions
from postgrad.training_settings import TrainingSettings

HANGS = 3
"""Answers of a batch on which a grader may hang, each for its whole time; the others get 0 without being graded."""


def reward_of(means: MetricResources, settings: TrainingSettings, records: Sequence[Record]) -> tuple[Reward, str]:
    """The grader that the settings name, as training takes it, and a hash of all that decides its grades.

    Args:
        means: What graders and metrics may use.
        records: All tasks that it will be asked of.

    Raises:
        UsageError: it is not valid, or what it needs (a judge, a sandbox) is not there.
        DataError: it names fields that records do not have.
    """
    return _judge(means, grader_of(settings), "grader", records)


def held_out_of(
    means: MetricResources, settings: TrainingSettings, records: Sequence[Record]
) -> tuple[Reward, str] | None:
    """What judges answers to validation prompts besides, where the settings name it; as `reward_of`."""
    options = settings.options
    if not isinstance(options, RolloutOptions) or options.held_out is None:
        return None
    return _judge(means, options.held_out, "held_out", records)


def _judge(
    means: MetricResources, named: str | JsonMapping | None, setting: str, records: Sequence[Record]
) -> tuple[Reward, str]:
    """What a setting names, and a hash of all that decides its grades."""
    if named is None:
        raise UsageError("An objective on sampled answers requires a grader.", "Name one in training.grader.")
    if isinstance(named, str) and (model := reward_model_in(named)):
        asked = registered_rewards(model)
        return RewardModelGrader(asked), sha256_json(["reward", asked.identity])
    raw = grader_in(named) if isinstance(named, str) and named.endswith(".json") else named
    identity = sha256_json([raw, means.judge or None])
    tasks = [r for r in records if isinstance(r, Task)]
    if isinstance(raw, str):
        metric = metric_named(raw, means)
        if fault := metric.unfit([_case(task, "") for task in tasks]):
            raise UsageError(
                f"The metric {raw!r} cannot grade these tasks: {fault}.", f"Name another one in training.{setting}."
            )
        return _by_metric(metric), identity
    form = read_grader(raw or {})
    refuse_missing(form, tasks)
    return _by_grader(means, form), identity


def grader_of(settings: TrainingSettings) -> str | JsonMapping | None:
    """What the settings name as grader: a file, a metric, or the grader itself; None for objectives without one."""
    options = settings.options
    return options.grader if isinstance(options, RolloutOptions) else None


class RewardModelGrader:
    """A registered reward model as training takes a grader."""

    def __init__(self, model: RegisteredRewards) -> None:
        self._model = model

    def __call__(self, answers: Sequence[tuple[Task, str]]) -> list[Graded]:
        asked = [(task.prompt, answer) for task, answer in answers]
        return [Graded(reward) for reward in self._model.rewards(asked, [task.tools for task, _ in answers])]

    def load(self) -> None:
        """Reads it into memory now, before it is decided what else there is room for."""
        self._model.load()


def refuse_missing(form: Grader, tasks: Sequence[Task]) -> None:
    """Raises DataError naming the tasks that lack a field that the grader speaks of."""
    faults = [(task, lacking) for task in tasks if (lacking := missing(form, item_of(_case(task, ""))))]
    if faults:
        shown = "; ".join(f"{task.source} has no {', '.join(lacking)}" for task, lacking in faults[:5])
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise DataError(
            f"{len(faults)} of {len(tasks)} tasks lack fields that the grader {form.name!r} requires: {shown}{more}.",
            f"The fields of the first are: {', '.join(item_of(_case(faults[0][0], '')))}.",
        )


def _by_metric(metric: Metric) -> Reward:
    def grade(answers: Sequence[tuple[Task, str]]) -> list[Graded]:
        return [Graded(score) for score in metric.measure([_case(*both) for both in answers]).scores]

    return grade


def _by_grader(means: MetricResources, form: Grader) -> Reward:
    sandbox = find_sandbox() if needs_sandbox(form) else None
    if judges(form) and means.ask is None:
        raise UsageError(
            f"The grader {form.name!r} needs a model that judges.",
            "Name one in the recipe (evaluation.judge).",
        )

    def grade(answers: Sequence[tuple[Task, str]]) -> list[Graded]:
        given = [(as_sample(answer), item_of(_case(task, answer))) for task, answer in answers]
        call = judged_together(means.ask, means.judge, form, given) if means.ask is not None else None
        out: list[Graded] = []
        hung = 0
        for sample, item in given:
            if hung >= HANGS:
                out.append(Graded(0.0, f"not graded: the grader hung {HANGS} times before"))
                continue
            outcome = run_grader(form, sample, item, call, sandbox)
            hung += outcome.faults.get("python_grader_server_error_type") == "timeout"
            out.append(Graded(outcome.reward, _fault(outcome.faults)))
        return out

    return grade


def _fault(faults: JsonMapping) -> str:
    """What went wrong in one line; empty where nothing did."""
    flags = [flag for flag, value in faults.items() if value is True]
    told = [
        str(value).strip().splitlines()[-1] for value in faults.values() if value is not True and str(value).strip()
    ]
    return ", ".join(flags) + (f" ({'; '.join(told)})" if told else "")


def _case(task: Task, answer: str) -> Case:
    return Case(answer, reference_of(task), task)
