"""Registration: what will be judged, and by what, is written down before the first arm is measured; and a look is
counted when it is judged."""

from __future__ import annotations

from collections.abc import Sequence

from postgrad.data.load import data_hash
from postgrad.decision.wording import points
from postgrad.evaluation.statistics.further_looks import strictness
from postgrad.evaluation.statistics.scores import level
from postgrad.progress import Said, Working
from postgrad.recipe import Recipe
from postgrad.registry.looks import Look, LookBook, Looks
from postgrad.report.registration import EarlierLookPart, RegistrationPart
from postgrad.steps.examples import Examples, TaskSpec
from postgrad.storage import code_version, sha256_json
from postgrad.version import __version__

NOT_JUDGED = {
    "name": True,
    "texts": True,
    "data": True,
    "evaluation": {
        "metric",
        "own_code",
        "sequential",
        "remote_key_env",
        "remote_budget_usd",
        "general_data",
        "curve",
        "perturb",
        "production",
        "also_keep",
        "votes",
        "must_pass",
        "must_pass_score",
    },
    "decision": {"data_hours", "hourly_rate", "target_accuracy"},
}
"""Settings of a recipe that do not decide what the arms score or how that is judged; data and metric count by what they
are, not by how they were named. A race (`sequential`) stops arms that cannot win, and changes none."""


def registered(recipe: Recipe, task: TaskSpec, examples: Examples) -> Working[RegistrationPart]:
    """Writes down test part, metric, smallest gain worth having and the rules' version, with the time.

    Args:
        recipe: Of the whole command.
        task: With the metric that was chosen.
        examples: As they were split.
    """
    test, plan = data_hash(examples.test), plan_of(recipe, task, examples)
    found = LookBook().register(
        test,
        plan,
        metric=task.choice.primary.name,
        smallest_worth=recipe.decision.smallest_worth,
        rules=f"{__version__} ({code_version('decision', 'evaluation/statistics')})",
    )
    part = _part(test, plan, found)
    yield Said(part.sentence, warning=part.look > 1)
    return part


def counted(part: RegistrationPart) -> RegistrationPart:
    """The registration with its look counted: the verdict is about to be made."""
    return _part(part.test, part.plan, LookBook().judge(part.test, part.plan))


def plan_of(recipe: Recipe, task: TaskSpec, examples: Examples) -> str:
    """The hash of everything that decides the judgement, but for the test part."""
    data = recipe.data
    return sha256_json(
        {
            "recipe": recipe.model_dump(mode="json", exclude=NOT_JUDGED),
            "instruction": [data.system_prompt, data.task, data.group],
            "metric": [recipe.evaluation.metric, task.choice.primary.name],
            "train": data_hash(examples.train),
            "validation": data_hash(examples.validation),
        }
    )


def _part(test: str, plan: str, found: Looks) -> RegistrationPart:
    this, times = found.this, strictness(found.this.number)
    confidence = level(this.number)
    earlier = [_earlier(look) for look in found.earlier]
    told = (
        f"Fixed before the first arm was measured ({_moment(this)} UTC): judged by {this.metric},"
        f" {points(this.smallest_worth)} points are worth having, rules of postgrad {this.rules}.",
        look_sentence(this.number, times, confidence),
        changed_sentence(this.metric, this.smallest_worth, earlier),
    )
    return RegistrationPart(
        test=test,
        plan=plan,
        metric=this.metric,
        smallest_worth=this.smallest_worth,
        rules=this.rules,
        registered=this.registered.isoformat(timespec="seconds"),
        look=this.number,
        times=times,
        confidence=confidence,
        earlier=earlier,
        sentence=" ".join(filter(None, told)),
    )


def look_sentence(look: int, times: int, confidence: float) -> str:
    """Which look it is, and how much stricter it is judged for that.

    Args:
        look: The first is 1.
        times: By what p-values are multiplied.
        confidence: Of the intervals of differences.
    """
    if look == 1:
        return "Look 1 at this test part."
    others = "1 other recipe was" if look == 2 else f"{look - 1} other recipes were"
    return (
        f"Look {look} at this test part: {others} judged on it before, so p-values are multiplied by {times} and"
        f" intervals of differences are taken at {100 * confidence:.4g} % each."
    )


def changed_sentence(metric: str, smallest_worth: float, earlier: Sequence[EarlierLookPart]) -> str:
    """That other looks had another metric or another smallest gain worth having; empty where none had."""
    others = list(
        dict.fromkeys(
            f"{e.metric} with {points(e.smallest_worth)} points worth having"
            for e in earlier
            if (e.metric, e.smallest_worth) != (metric, smallest_worth)
        )
    )
    return f"Earlier looks were judged otherwise: by {', by '.join(others)}." if others else ""


def _earlier(look: Look) -> EarlierLookPart:
    return EarlierLookPart(
        look=look.number,
        registered=look.registered.isoformat(timespec="seconds"),
        metric=look.metric,
        smallest_worth=look.smallest_worth,
    )


def _moment(look: Look) -> str:
    return f"{look.registered:%Y-%m-%d %H:%M}"
