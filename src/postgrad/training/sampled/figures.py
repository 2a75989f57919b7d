"""What is measured of sampled answers besides their loss, and what that says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from postgrad.training.rewards import Graded
from postgrad.training.step_metrics import Tally

if TYPE_CHECKING:
    from postgrad.training.sampled.turns import Episode
    from postgrad.training.sampling import Sampled

FIGURES = (
    "reward",
    "reward_std",
    "reward_error",
    "held_out",
    "held_out_error",
    "frac_reward_zero_std",
    "entropy",
    "completions/mean_length",
    "completions/clipped_ratio",
    "completions/repetition",
    "grader_faults",
)
"""As TRL calls them. `reward_error`: standard error of the mean reward of a validation; `held_out`: what judges besides
the grader there; `frac_reward_zero_std`: groups
whose answers all got the same reward, from which nothing is learned; `entropy`: mean −log p of the sampled tokens, in
nats; `completions/clipped_ratio`: answers that did not come to an end; `completions/repetition`: see `repetition`;
`grader_faults`: answers whose grading failed."""
TURN_FIGURES = ("turns/mean", "turns/unended", "tools/call_frequency", "tools/failure_frequency")
"""Of answers in an environment: how often the model spoke, the share that was cut at the last turn, calls of tools an
answer, and the share of them that failed."""
RUN = 4
"""Tokens of a run that is looked for again."""


def repetition(ids: Sequence[int]) -> float:
    """Share of an answer's runs of four tokens that stood in it before; 0 where it has none."""
    runs = [tuple(ids[at : at + RUN]) for at in range(len(ids) - RUN + 1)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


def note_answers(tally: Tally, answers: Sequence[Sampled], graded: Sequence[Graded]) -> None:
    """Counts graded answers."""
    own = [[token for token, weight in zip(a.ids, a.weights, strict=True) if weight] for a in answers]
    count, tokens = len(answers), sum(map(len, own))
    tally.add("reward", sum(g.reward for g in graded), len(graded))
    tally.add("entropy", -sum(a.logprob for a in answers), tokens)
    tally.add("completions/mean_length", tokens, count)
    tally.add("completions/clipped_ratio", sum(not a.finished for a in answers), count)
    tally.add("completions/repetition", sum(map(repetition, own)), count)
    tally.add("grader_faults", sum(bool(g.fault) for g in graded), len(graded))


def note_turns(tally: Tally, episodes: Sequence[Episode]) -> None:
    """Counts what only answers of several turns have."""
    calls = sum(e.calls for e in episodes)
    tally.add("turns/mean", sum(e.turns for e in episodes), len(episodes))
    tally.add("turns/unended", sum(e.unended for e in episodes), len(episodes))
    tally.add("tools/call_frequency", calls, len(episodes))
    tally.add("tools/failure_frequency", sum(e.failures for e in episodes), calls)


def in_words(metrics: Mapping[str, Sequence[tuple[int, float]]], best_step: int, before: float | None) -> str:
    """What the figures of a training say.

    Args:
        metrics: (step, value) by name.
        best_step: Whose weights are kept.
        before: Mean reward of the starting model on validation; None where there is none.
    """
    found = dict(metrics.get("eval_reward", []))
    words = []
    if best_step in found and before is not None:
        words.append(
            f"The mean reward on validation went from {before:.3f} to {found[best_step]:.3f} (best at step"
            f" {best_step})."
        )
    if equal := [value for _, value in metrics.get("frac_reward_zero_std", [])]:
        share = sum(equal) / len(equal)
        words.append(f"In {100 * share:.0f} % of the groups all answers got the same reward, so they taught nothing.")
    if faults := sum(value for _, value in metrics.get("grader_faults", [])):
        share = faults / len(metrics["grader_faults"])
        words.append(f"The grading of {100 * share:.1f} % of the answers failed; they got the reward 0.")
    if unended := [value for _, value in metrics.get("turns/unended", [])]:
        failed = [value for _, value in metrics.get("tools/failure_frequency", [])]
        words.append(
            f"{100 * sum(unended) / len(unended):.0f} % of the answers still called tools when their turns were used"
            f" up; {100 * sum(failed) / max(1, len(failed)):.0f} % of the calls failed."
        )
    return " ".join(words)
