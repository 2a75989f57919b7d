"""Guards over what sampled answers look like: how long they are, whether they repeat themselves, whether the model
still tries anything else."""

from __future__ import annotations

from postgrad.training.guards.alarm import Alarm, Seen, apart, ends

LENGTH, NEAR = 10, 5
"""Steps whose mean is compared: noisy figures need more."""
CLEARLY = 5.0
"""Standard errors by which lengths differ that are said to differ."""
TIMES, TOKENS = 2.0, 8.0
"""Answers have drifted that are so many times as long, or short, and by so many tokens at least."""
REPEATED, MORE = 0.5, 0.3
"""Share of an answer's four-token runs that stood in it before: too much, where it was that much less at the start."""
LEFT, LITTLE = 0.05, 0.05
"""An entropy has collapsed that is under this share of the starting one, and under so many nats a token."""


def length_drift(seen: Seen) -> Alarm | None:
    """Answers more than twice as long, or less than half as long, as at first. It stops only where the reward has not
    risen meanwhile: a model that learns to be brief, or to think, drifts with reason."""
    found = ends(seen.of("completions/mean_length"), LENGTH)
    if found is None:
        return None
    before, now = found
    longer = now.mean >= before.mean * TIMES
    if not (longer or now.mean * TIMES <= before.mean) or abs(now.mean - before.mean) < TOKENS:
        return None
    if abs(apart(before, now)) < CLEARLY:
        return None
    rose = _rose(seen)
    reward = "while the reward rose: look whether the grader rewards the length" if rose else "and the reward did not"
    mend = "" if rose else " rise: lower the rate, raise training.beta, or let the grader judge the length"
    return Alarm(
        "length_drift",
        now.last,
        f"Answers went from {before.mean:.0f} tokens in the mean ({before.steps}) to {now.mean:.0f} ({now.steps}),"
        f" {reward}{mend}.",
        stops=not rose,
    )


def repetition(seen: Seen) -> Alarm | None:
    """Answers that say the same again and again."""
    found = ends(seen.of("completions/repetition"), NEAR)
    if found is None or found[1].mean < REPEATED or found[1].mean < found[0].mean + MORE:
        return None
    before, now = found
    return Alarm(
        "repetition",
        now.last,
        f"{100 * now.mean:.0f} % of the four-token runs of answers repeat earlier ones of the same answer ({now.steps};"
        f" at first {100 * before.mean:.0f} %): the model has begun to loop. Lower the rate, raise training.beta, or"
        " let the grader punish repetition.",
    )


def entropy_collapse(seen: Seen) -> Alarm | None:
    """Sampling that gives the same answer every time: nothing else is tried, so nothing else can be learned."""
    found = ends(seen.of("entropy"), NEAR)
    if found is None or found[1].mean > LITTLE or found[1].mean > LEFT * found[0].mean:
        return None
    before, now = found
    return Alarm(
        "entropy_collapse",
        now.last,
        f"The entropy of sampled answers fell from {before.mean:.2f} nats a token ({before.steps}) to {now.mean:.3f}"
        f" ({now.steps}): all answers to a prompt are nearly the same, and nothing else is tried any more. Lower the"
        " rate, raise training.temperature or training.beta, or be content with what is learned.",
    )


def _rose(seen: Seen) -> bool:
    """Whether the reward is higher than at the start, on validation where it is measured there."""
    held = seen.of("eval_reward")
    if held and "eval_reward" in seen.start:
        return max(value for _, value in held) > seen.start["eval_reward"]
    found = ends(seen.of("reward"), LENGTH)
    return found is not None and apart(*found) > 2
