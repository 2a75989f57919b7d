"""The time of a run: its limit where none is given, and what the measurements after training are left beforehand."""

from __future__ import annotations

from postgrad.progress import Said, Working
from postgrad.steps.context import USUAL_MINUTES, Job
from postgrad.steps.examples import DataSummary

USUAL_TOKENS = 25_000
"""Of examples that a run of the usual length has: 500 short ones."""
DISTURBANCE_SHARE = 0.08
"""Of the whole run's work, asking again with disturbed requests may take so much."""


def usual_limit(job: Job, summary: DataSummary) -> Working[None]:
    """Where no limit is given, the run is planned for 14 minutes for every 25,000 tokens of examples, and 14 at
    least."""
    if job.limited:
        return
    minutes = round(
        USUAL_MINUTES * max(1.0, sum(edge * count for edge, count in summary.token_histogram) / USUAL_TOKENS)
    )
    job.recipe = job.recipe.model_copy(update={"max_minutes": float(minutes)})
    yield Said(
        f"Planned to take at most about {minutes} minutes, for so many tokens; --max-minutes gives it more or less."
    )


def room_for_disturbances(job: Job) -> float:
    """Seconds of a limited run that are kept for asking again with disturbed requests."""
    minutes = job.recipe.max_minutes
    return 0.6 * DISTURBANCE_SHARE * 60 * minutes if minutes and job.recipe.evaluation.perturb is not False else 0.0


def curve_share(job: Job) -> float:
    """What the learning curve costs as a share of the training, where it was asked for by name: it is then made in any
    case, and both have to fit. Unasked it takes what is left in the end."""
    return sum(job.recipe.evaluation.curve or ())
