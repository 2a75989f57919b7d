"""Any task of the lm-evaluation-harness (extra `lm-eval`) as a benchmark: its prompts, its rules, our model.

A task is named as the harness names it, or by a YAML file of its format. Its rows come from the hub, or from local
files where the YAML says `dataset_path: json` with `data_files`. A YAML file may name Python functions; they run with
your rights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from postgrad.errors import DataError, UsageError
from postgrad.json_types import JsonObject
from postgrad.storage import sha256_file

if TYPE_CHECKING:
    from lm_eval.tasks import TaskManager

    from postgrad.models.language_model import LanguageModel

METRICS = ("acc_norm", "acc", "exact_match", "em", "f1", "rouge1", "rougeL")
"""What is taken of an item, the first that the task measures item by item."""


@dataclass(frozen=True)
class TaskScores:
    """A score in [0, 1] for each item, in the harness's order, and which of its metrics that is."""

    scores: list[float]
    metric: str


def task_hash(task: str) -> str:
    """What tells one task from another: its name, or the content of its file."""
    return sha256_file(Path(task)) if _is_file(task) and Path(task).exists() else task


def task_scores(model: LanguageModel, task: str, count: int, stopped: Callable[[], bool] = lambda: False) -> TaskScores:
    """Runs a task on its first `count` items (of each part, where it is a group of tasks).

    Raises:
        UsageError: there is no such task.
        DataError: its rows cannot be had, or it measures nothing item by item.
        Interrupted: `stopped` turned true.
    """
    samples = evaluate(model, [str(Path(task).resolve()) if _is_file(task) else task], count, stopped)
    rows = [row for name in sorted(samples) for row in _first_filter(samples[name])]
    for metric in METRICS:
        values = [row.get(metric) for row in rows]
        if rows and all(isinstance(v, int | float) and 0 <= v <= 1 for v in values):
            return TaskScores([float(v) for v in values if v is not None], metric)
    known = sorted({key for row in rows for key in row.get("metrics", [])})
    raise DataError(
        f"The task {task!r} of lm-eval cannot be compared item by item: it measures {', '.join(known) or 'nothing'}.",
        f"Take a task with one of {', '.join(METRICS)}.",
    )


def evaluate(
    model: LanguageModel, tasks: Sequence[str | JsonObject], count: int | None, stopped: Callable[[], bool]
) -> dict[str, list[JsonObject]]:
    """The harness's own record of every item, by task.

    Raises:
        UsageError: there is no such task.
        DataError: its rows cannot be had.
    """
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from lm_eval import evaluator

    from postgrad.evaluation.battery.harness_model import HarnessModel  # here: it loads lm-eval

    run = cast(Any, evaluator.simple_evaluate)
    wanted = ", ".join(str(t) for t in tasks)
    try:
        results = run(
            HarnessModel(model, stopped),
            tasks=list(tasks),
            limit=count,
            bootstrap_iters=0,
            log_samples=True,
            task_manager=task_manager(),
        )
    except KeyError as error:
        raise UsageError(
            f"lm-eval cannot load the task {wanted!r}: {error.args[0] if error.args else error}.",
            "`lm-eval ls tasks` lists its tasks; a YAML file of yours is named by its path.",
        ) from error
    except (DatasetsError, HfHubHTTPError, OfflineModeIsEnabled, OSError) as error:
        raise DataError(
            f"The rows of the task {wanted!r} cannot be had:"
            f" {str(error).splitlines()[0][:300] if str(error) else error!r}.",
            "Is the hub in reach? For local rows write a YAML file with dataset_path: json (docs/forgetting.md).",
        ) from error
    return results["samples"]


@cache
def task_manager() -> TaskManager:
    """The harness's list of tasks, read once: it lies in thousands of files."""
    from lm_eval import tasks

    return tasks.TaskManager()


def _first_filter(rows: Sequence[JsonObject]) -> list[JsonObject]:
    """The rows under one filter (a task may extract the answer in several ways), by item."""
    filters = list(dict.fromkeys(row.get("filter", "none") for row in rows))
    chosen = next((f for f in ("flexible-extract", "none") if f in filters), filters[0] if filters else "none")
    return sorted((row for row in rows if row.get("filter", "none") == chosen), key=lambda row: row["doc_id"])


def _is_file(task: str) -> bool:
    return task.endswith((".yaml", ".yml"))
