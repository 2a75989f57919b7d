"""The figures of a job's steps under OpenAI's names: events, checkpoints and the result file."""

from __future__ import annotations

import csv
import io

from postgrad.json_types import JsonObject
from postgrad.report.run_report import TrainingPart
from postgrad.serving.jobs.lease import Metrics
from postgrad.training_run import Step

_TOKENS = "token_accuracy"
NAMES = {
    _TOKENS: "mean_token_accuracy",
    "rewards/accuracies": "reward_accuracy",
    "rewards/margins": "reward_margin",
    "rewards/chosen": "reward_chosen",
    "rewards/rejected": "reward_rejected",
    "reward": "reward_mean",
    "reward_std": "reward_std",
    "frac_reward_zero_std": "equal_reward_groups",
    "completions/mean_length": "completion_tokens_mean",
    "completions/clipped_ratio": "completions_cut_off",
    "grader_faults": "grader_errors",
    "kl": "kl",
}
"""What objectives measure, as clients see it; with `train_`, `valid_` or `full_valid_` before it."""
_VALID = "eval_"


def metrics(step: Step) -> Metrics:
    """A step in OpenAI's words."""
    data: JsonObject = {"step": step.step, "total_steps": step.total, "train_loss": step.loss}
    message = f"Step {step.step}/{step.total}: training loss={step.loss:.2f}"
    data |= {f"train_{name}": step.metrics[key] for key, name in NAMES.items() if key in step.metrics}
    if step.validation_loss is not None:
        message += f", validation loss={step.validation_loss:.2f}, full validation loss={step.validation_loss:.2f}"
        data |= {"valid_loss": step.validation_loss, "full_valid_loss": step.validation_loss}
    for key, name in NAMES.items():
        if _VALID + key in step.metrics:
            data[f"valid_{name}"] = data[f"full_valid_{name}"] = step.metrics[_VALID + key]
    for name in ("reward_accuracy", "reward_mean"):
        for begin, words in (("train_", "training"), ("full_valid_", "full validation")):
            if begin + name in data:
                message += f", {words} {name.replace('_', ' ')}={data[begin + name]:.2f}"
    return Metrics(message, data)


def result_csv(part: TrainingPart) -> bytes:
    """OpenAI's result file; accuracies of tokens stay empty where the objective counts none. What it measures besides
    follows."""
    found = {key: dict(values) for key, values in part.metrics.items()}
    more = [
        (f"{begin}_{name}", found[prefix + key])
        for key, name in NAMES.items()
        for begin, prefix in (("train", ""), ("valid", _VALID))
        if key != _TOKENS and prefix + key in found
    ]
    right, valid_right = found.get(_TOKENS, {}), found.get(_VALID + _TOKENS, {})
    measured = dict(part.validation_loss)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    usual = ["step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy"]
    writer.writerow([*usual, *(name for name, _ in more)])
    for step, loss in part.train_loss:
        cells = [_cell(values.get(step)) for _, values in more]
        shares = _cell(right.get(step)), _cell(valid_right.get(step))
        writer.writerow([step, f"{loss:.5f}", shares[0], _cell(measured.get(step)), shares[1], *cells])
    return out.getvalue().encode()


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
