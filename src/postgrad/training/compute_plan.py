"""What an objective will compute, counted from rendered records without torch: for `estimate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from postgrad.models.rendering.pairs import render_pair
from postgrad.models.rendering.render import Rendered, Renderer
from postgrad.models.rendering.task_prompts import render_prompt
from postgrad.models.rendering.windows import windows
from postgrad.recipe import TrainingSection
from postgrad.records import Conversation, Preference, Record, Task, Text


@dataclass(frozen=True)
class Planned:
    """One pass over the data.

    Attributes:
        sequences: Tokens of each sequence that is computed forward and backward; a prompt that several share counts
            once.
        supervised: Tokens that are learned.
        units: Sequences that come of one record.
        forward: Forward passes of the same tokens besides, in every pass.
        once: Forward passes of the same tokens before the first step.
        sampled: Tokens in the cache while answers are sampled.
        note: What was assumed.
    """

    sequences: list[int]
    supervised: int
    units: int = 1
    forward: float = 0.0
    once: float = 0.0
    sampled: int = 0
    note: str = ""


def planned(renderer: Renderer, records: Sequence[Record], settings: TrainingSection) -> Planned:
    """What training on these records computes in a pass."""
    return _PLANS.get(settings.objective, _rendered)(renderer, records, settings)


def _rendered(renderer: Renderer, records: Sequence[Record], settings: TrainingSection) -> Planned:
    examples = [w for r in records if isinstance(r, Text) for w in windows(renderer, r, settings.max_length)]
    examples += [renderer.render(r) for r in records if isinstance(r, Conversation)]
    return Planned([len(e.ids) for e in examples], sum(e.supervised for e in examples))


def _pairs(renderer: Renderer, records: Sequence[Record], settings: TrainingSection) -> Planned:
    wanted = [r for r in records if isinstance(r, Preference)]
    pairs = [p for r in wanted if (p := render_pair(renderer, r, settings.max_length, settings.too_long))]
    sequences = [n for p in pairs for n in (len(p.chosen.ids), len(p.rejected.ids) - _prompt(p.rejected))]
    referred = settings.objective == "dpo"
    note = "The starting model is asked for both sides once before." if referred else ""
    return Planned(sequences, sum(p.supervised for p in pairs), 2, once=float(referred), note=note)


def _answers(renderer: Renderer, records: Sequence[Record], settings: TrainingSection) -> Planned:
    new, samples = settings.answer_tokens, settings.samples
    wanted = [r for r in records if isinstance(r, Task)]
    prompts = [p for r in wanted if (p := render_prompt(renderer, r, new, settings.max_length, settings.too_long))]
    sequences = [n for p in prompts for n in (len(p.ids) + new, *[new] * (samples - 1))]
    beside = 1.0 + bool(settings.beta) + (settings.repeats > 1)
    note = (
        f"Reckoned with {samples} answers of {new} tokens each (training.answer_tokens) to every prompt: shorter"
        " answers take less. Grading is not counted."
    )
    cache = min(16_384, 64 * max(sequences, default=0))
    return Planned(sequences, new * samples * len(prompts), samples, beside, sampled=cache, note=note)


def _prompt(side: Rendered) -> int:
    """Tokens before the answer."""
    return next(i for i, weight in enumerate(side.weights) if weight > 0)


_PLANS: dict[str, Callable[[Renderer, Sequence[Record], TrainingSection], Planned]] = {
    "dpo": _pairs,
    "orpo": _pairs,
    "simpo": _pairs,
    "grpo": _answers,
}
