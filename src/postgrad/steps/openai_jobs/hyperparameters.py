"""From what a job asks for to a recipe: the numbers behind `auto`, and which base model is meant. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePath

from postgrad.facts import load_facts
from postgrad.json_types import JsonObject
from postgrad.objectives import spec_of
from postgrad.recipe import Recipe, make_recipe
from postgrad.steps.openai_jobs.methods import CLIENT_NAMES, METHODS

_OPENAI = frozenset(load_facts("openai_models")["names"])
_DATED = re.compile(r"-\d{4}(-\d\d-\d\d)?$")
_OURS = {client: name for name, client in CLIENT_NAMES.items()}


def is_openais(model: str) -> bool:
    """Whether a name is that of one of OpenAI's own models, which nobody else can train."""
    return model in _OPENAI or _DATED.sub("", model) in _OPENAI


def chosen_epochs(examples: int) -> int:
    """OpenAI's cookbook: three passes, more for few examples and fewer for many; examples x passes from 100 to
    25,000."""
    if examples * 3 < 100:
        return min(25, -(-100 // max(1, examples)))
    if examples * 3 > 25_000:
        return max(1, 25_000 // examples)
    return 3


def chosen_batch(examples: int) -> int:
    """postgrad's tested four; 0.2 % of many examples, up to 256."""
    return min(256, max(4, examples // 500))


def chosen(asked: JsonObject, examples: int) -> JsonObject:
    """Hyperparameters with numbers in the place of `auto`."""
    automatic: JsonObject = {
        "batch_size": chosen_batch(examples),
        "learning_rate_multiplier": 1.0,
        "n_epochs": chosen_epochs(examples),
        "beta": spec_of("dpo").fields["beta"].default,
        "compute_multiplier": 1.0,
        "eval_samples": 1,
    }
    numbers = {key: automatic.get(key, value) if value == "auto" else value for key, value in asked.items()}
    if numbers.get("eval_interval") == "auto":
        steps = -(-examples // numbers["batch_size"]) * numbers["n_epochs"]
        numbers["eval_interval"] = max(1, -(-steps // 5))
    return numbers


def recipe_of(
    base: str,
    name: str,
    seed: int,
    hyperparameters: JsonObject,
    extra: JsonObject,
    examples: int,
    method: JsonObject | None = None,
) -> Recipe:
    """The recipe that a job means.

    Args:
        hyperparameters: Numbers, none `auto`.
        examples: In the training file.
        extra: postgrad's own settings as the client gave them.
        method: OpenAI's `method`; supervised when None.

    Raises:
        UsageError: settings that do not go together.
    """
    apart = ("base", "system_prompt", "accept", "report", "forgetting")
    own = {k: v for k, v in extra.items() if k not in apart}
    training = {_OURS.get(k, k): v for k, v in own.items()}
    if "bits" in training:
        training.setdefault("method", "qlora")
    kind = method["type"] if method else "supervised"
    own_way = METHODS[kind]
    training |= {"objective": own_way.objective, **own_way.settings(hyperparameters, (method or {}).get(kind) or {})}
    training["learning_rate_factor"] = hyperparameters["learning_rate_multiplier"]
    epochs, batch = hyperparameters["n_epochs"], hyperparameters["batch_size"]
    training |= {
        "batch_size": batch,
        "epochs": epochs,
        "validations": epochs * _validations(examples, batch, epochs),
        "snapshots": 3,
    }
    data = {"system_prompt": extra.get("system_prompt"), "accept": extra.get("accept", [])}
    raw: JsonObject = {"base": base, "name": name, "seed": seed, "training": training, "data": data}
    if judge := judge_of(training.get("grader") or {}):
        raw["evaluation"] = {"judge": judge}
    return make_recipe(raw)


def judge_of(grader: JsonObject) -> str | None:
    """The model that a grader names, where it names one."""
    inner = grader.get("graders") or {}
    for one in (grader, *(inner.values() if isinstance(inner, dict) else inner)):
        if one.get("type") in ("score_model", "label_model"):
            return one["model"]
    return None


def _validations(examples: int, batch: int, epochs: int) -> int:
    """How often validation is measured in a pass: about five times in all, and always at the end of a pass."""
    steps = -(-examples // batch)
    return max(k for k in range(1, max(1, -(-5 // epochs)) + 1) if steps % k == 0)


def fine_tuned_name(model: str, organization: str, suffix: str | None, tail: str) -> str:
    """`ft:{base}:{organisation}:{suffix}:{8 characters}`; a base in a folder goes by the folder's name."""
    base = PurePath(model).name if model.startswith(("/", "~", ".")) or "\\" in model else model
    if base.startswith("ft:"):  # trained further: the name of what it began with stays
        base = base.split(":")[1]
    return f"ft:{base[:96].replace('@', '-')}:{organization[:48]}:{suffix or ''}:{tail}"


def base_for(model: str, wish: str | None, meant: Callable[[str], str | None], stand_in: str) -> str | None:
    """The base model that a job trains, or None where this server has none of that name.

    Args:
        model: The job's `model`.
        wish: Its own setting `base`.
        meant: The base model that this server knows under a name.
        stand_in: What is trained where `model` names one of OpenAI's own.
    """
    if wish is not None:
        return meant(wish)
    return meant(model) or (stand_in if is_openais(model) else None)
