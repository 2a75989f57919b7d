"""Guards over what the model has moved away from: the answers that it should learn, and the model that it was."""

from __future__ import annotations

from postgrad.training.guards.alarm import Alarm, Level, Seen, apart, ends, level

WINDOW, NEAR = 10, 5
"""Steps whose mean is compared: of figures of other answers in every step more are needed."""
CLEARLY = 5.0
"""Standard errors by which likelihoods of different answers differ that are said to differ."""
FALL = 0.5
"""Nats a token by which chosen answers may become less likely: tokens are 40 % less likely then."""
CHOSEN = "logps/chosen_per_token"


def chosen_falling(seen: Seen) -> Alarm | None:
    """Chosen answers that become less likely together with the rejected ones: the model learns what not to say, and no
    longer says what it should. Measured on validation where there is one, because its answers stay the same."""
    held = seen.of(f"eval_{CHOSEN}")
    if held and f"eval_{CHOSEN}" in seen.start:
        now = held[-1]
        before, after = Level(seen.start[f"eval_{CHOSEN}"], 0, 0, 0), level([now])
    elif found := ends(seen.of(CHOSEN), WINDOW):
        before, after = found
    else:
        return None
    if before.mean - after.mean < FALL or apart(before, after) > -CLEARLY:
        return None
    return Alarm(
        "chosen_falling",
        after.last,
        f"The log-probability of chosen answers fell from {before.mean:.2f} to {after.mean:.2f} nats a token"
        f" (step {after.last}): the model unlearns what it should say together with what it should not. Lower the rate,"
        " raise training.beta, or for dpo set rpo_alpha, which keeps chosen answers likely.",
    )


def kl_limit(seen: Seen) -> Alarm | None:
    """A divergence from the starting model beyond what the user allows."""
    if seen.kl_limit is None:
        return None
    found = [level(seen.of("kl")[-NEAR:])] if len(seen.of("kl")) >= NEAR else []
    found += [level(general[-1:])] if (general := seen.of("eval_kl_general")) else []
    far = max(found, key=lambda now: now.mean, default=None)
    if far is None or far.mean <= seen.kl_limit:
        return None
    return Alarm(
        "kl_limit",
        far.last,
        f"The divergence from the starting model is {far.mean:.3f} nats (step {far.last}), more than"
        f" training.kl_limit = {seen.kl_limit:g}. Raise the limit, raise training.beta, or be content with what is"
        " learned.",
    )
