"""What a distillation says of itself: how near the student has come, and what every request saves."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from postgrad.prices import Price, hosted_training
from postgrad.training.distillation.teacher import Teacher

FIGURES = ("kl", "agreement")
"""`kl`: the divergence that is minimised, in nats a token; `agreement`: share of the tokens at which teacher and
student find the same one the likeliest."""


def beginning(before: Mapping[str, float]) -> str:
    """Where the student begins."""
    return (
        f"Before training the student is {before['kl']:.3f} nats a token from its teacher on validation; both find the"
        f" same token the likeliest at {100 * before['agreement']:.0f} % of the tokens."
    )


def closing(
    teacher: Teacher,
    before: Mapping[str, float],
    metrics: Mapping[str, Sequence[tuple[int, float]]],
    best_step: int,
    prompts: Sequence[tuple[int, int]],
) -> str:
    """What the report says.

    Args:
        teacher: Who taught.
        before: The figures of validation before the first step; empty without validation.
        metrics: (step, value) by name.
        best_step: Whose weights are kept.
        prompts: Tokens of each prompt for the teacher, and for the student.
    """
    words = [teacher.said]
    after = {name: dict(metrics.get(f"eval_{name}", ())).get(best_step) for name in FIGURES}
    if before and after["kl"] is not None and after["agreement"] is not None:
        words.append(
            f"The distance from the teacher on validation went from {before['kl']:.3f} to {after['kl']:.3f} nats a"
            f" token (step {best_step}); both find the same token the likeliest at {100 * after['agreement']:.0f} % of"
            f" the tokens, before at {100 * before['agreement']:.0f} %."
        )
    if teacher.prompt and prompts:
        words.append(saving(prompts))
    return " ".join(filter(None, words))


def saving(prompts: Sequence[tuple[int, int]]) -> str:
    """What a request without the teacher's instruction saves, in tokens and, by the cheapest dated price of a service
    that serves tuned models, in money."""
    longer, shorter = (statistics.mean(side) for side in zip(*prompts, strict=True))
    fewer = longer - shorter
    text = f"Each request saves {fewer:,.0f} tokens of prompt: {shorter:,.0f} instead of {longer:,.0f} on average."
    price = min(_served(), key=lambda p: p[1], default=None)
    if price is None:
        return text
    what, usd = price[0].what.partition(";")[0], fewer * price[1]
    return (
        f"{text} At {price[1]:g} USD for a million tokens in ({what}; {price[0].date or 'undated'}) that is"
        f" {usd:,.2f} USD for a million requests."
    )


def _served() -> list[tuple[Price, float]]:
    """Services that serve what they tuned, with USD for a million tokens in."""
    return [(p, p.answers[0]) for p in hosted_training() if p.answers is not None]
