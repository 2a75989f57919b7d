"""What training on records will compute, counted from rendered records without torch: for `estimate`. One function a
form of learning; each objective's spec names the one that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from postgrad.models.rendering.pairs import render_pair
from postgrad.models.rendering.ratings import render_rating
from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.models.rendering.task_prompts import render_prompt
from postgrad.models.rendering.windows import windows
from postgrad.objectives import Cost, Options
from postgrad.records import Conversation, Preference, Rating, Record, Task, Text

if TYPE_CHECKING:
    from postgrad.training.rollouts import RolloutOptions


def cost_of_conversations(
    renderer: Renderer, records: Sequence[Record], max_length: int | None, too_long: TooLong, options: Options
) -> Cost:
    """Each conversation forward and backward."""
    examples = [renderer.render(t) for r in records if isinstance(r, Conversation) for t in renderer.as_asked(r)]
    return Cost([len(e.ids) for e in examples], sum(e.supervised for e in examples))


def cost_of_texts(
    renderer: Renderer, records: Sequence[Record], max_length: int | None, too_long: TooLong, options: Options
) -> Cost:
    """Each window forward and backward."""
    examples = [w for r in records if isinstance(r, Text) for w in windows(renderer, r, max_length)]
    return Cost([len(e.ids) for e in examples], sum(e.supervised for e in examples))


def cost_of_pairs(
    renderer: Renderer, records: Sequence[Record], max_length: int | None, too_long: TooLong, options: Options
) -> Cost:
    """Both sides forward and backward, their prompt once."""
    wanted = [r for r in records if isinstance(r, Preference)]
    pairs = [p for r in wanted if (p := render_pair(renderer, r, max_length, too_long))]
    sequences = [n for p in pairs for n in (len(p.chosen.ids), len(p.rejected.ids) - _prompt(p.rejected))]
    return Cost(sequences, sum(p.supervised for p in pairs), units=2)


def cost_of_ratings(
    renderer: Renderer, records: Sequence[Record], max_length: int | None, too_long: TooLong, options: Options
) -> Cost:
    """Each answer forward and backward, and once more forward to another prompt; both once before training."""
    wanted = [r for r in records if isinstance(r, Rating)]
    examples = [e for r in wanted if (e := render_rating(renderer, r, max_length, too_long))]
    lengths = [len(e.ids) for e in examples]
    note = "The starting model's likelihoods are computed once, before training."
    return Cost(lengths, sum(e.supervised for e in examples), forward=1.0, once=2.0, note=note)


def cost_of_rollouts(
    renderer: Renderer,
    records: Sequence[Record],
    max_length: int | None,
    too_long: TooLong,
    options: RolloutOptions,
) -> Cost:
    """So many answers to each prompt sampled, then forward and backward; forward alone for each model that is asked for
    its likelihoods, and for a reward model."""
    samples, answer_tokens = options.samples, options.answer_tokens
    wanted = [r for r in records if isinstance(r, Task)]
    prompts = [p for r in wanted if (p := render_prompt(renderer, r, answer_tokens, max_length, too_long))]
    sequences = [n for p in prompts for n in (len(p.ids) + answer_tokens, *[answer_tokens] * (samples - 1))]
    first = options.grader is None and options.environment is None  # a reward model is trained on the pairs
    by_model = first or (isinstance(options.grader, str) and options.grader.startswith("reward:"))
    counted = "a reward model of the base's size reads each of them once" if by_model else "grading is not counted"
    note = (
        f"Computed for {samples} answers of {answer_tokens} tokens each (training.answer_tokens) to every prompt:"
        f" shorter answers take less; {counted}."
    )
    cache = min(16_384, 64 * max(sequences, default=0))
    learned = answer_tokens * samples * len(prompts)
    forward = 1.0 + options.refers + options.recalls + by_model
    return Cost(sequences, learned, samples, options.repeats, forward, sampled=cache, note=note)


def _prompt(side: Rendered) -> int:
    """Tokens before the answer."""
    return next(i for i, weight in enumerate(side.weights) if weight > 0)
