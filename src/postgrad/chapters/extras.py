"""What the measurements after training may take: a training under a time limit leaves room for them beforehand."""

from __future__ import annotations

from postgrad.chapters.job import Job

DISTURBANCE_SHARE = 0.1
"""Of the whole run's work, asking again with disturbed requests may take so much."""


def room_for_disturbances(job: Job) -> float:
    """Seconds of a limited run that are kept for asking again with disturbed requests."""
    minutes = job.recipe.max_minutes
    return 0.6 * DISTURBANCE_SHARE * 60 * minutes if minutes and job.recipe.evaluation.perturb is not False else 0.0


def curve_share(job: Job) -> float:
    """What the learning curve costs as a share of the training, where it was asked for by name: it is then made in any
    case, and both have to fit. Unasked it takes what is left in the end."""
    return sum(job.recipe.evaluation.curve or ())
