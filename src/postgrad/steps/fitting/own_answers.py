"""The base's own answers to general prompts that postgrad brings: mixed into a training, they keep the conduct that one
narrow task would wear away.

Each base answers the prompts once; whole parts of the list are kept, so that an interrupted pass goes on and the
answers do not depend on how many were wanted. An answer that reached the limit is used without an end: the base did not
stop there, so stopping is not taught.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.errors import Interrupted
from postgrad.facts import load_facts
from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Progress, Said, Working
from postgrad.records import Conversation, Message, Source
from postgrad.steps.context import RunContext
from postgrad.training.objectives.replay import CUT, replayed_count

TOKENS = 64
"""An answer's length at most."""
THINKING_TOKENS = 320
"""The same of a base that thinks; what it has not ended by then is left out."""
PART = 32
"""Prompts that are answered in one batch, and kept together."""
ASIDE = 16
"""Prompts of the first part that are never trained on: the distance from the base is measured on them."""

Prompt = tuple[Message, ...]


@dataclass(frozen=True)
class OwnAnswers:
    """Conversations to train on, and those kept aside."""

    train: tuple[Conversation, ...] = ()
    aside: tuple[Conversation, ...] = ()


@functools.cache
def general_prompts() -> tuple[Prompt, ...]:
    """All prompts in one fixed order, in which every beginning is a mix of languages and forms."""
    facts = load_facts("general_prompts")
    languages = [texts for texts in facts.values() if isinstance(texts, list) and isinstance(texts[0], str)]
    prompts: list[Prompt] = [(Message("user", text),) for texts in languages for text in texts]
    prompts += [(Message("system", p["system"]), Message("user", p["prompt"])) for p in facts["framed"]]
    prompts += [tuple(_turn(text, model=turn % 2 == 1) for turn, text in enumerate(p["said"])) for p in facts["turns"]]
    random.Random("general prompts").shuffle(prompts)
    return tuple(prompts)


def _turn(text: str, *, model: bool) -> Message:
    """Earlier answers are ours, not the base's, and nothing is learned from them."""
    return Message("assistant", text, weight=0.0) if model else Message("user", text)


def own_answers(
    ctx: RunContext, model: LanguageModel, examples: int, share: float, max_length: int | None
) -> Working[OwnAnswers]:
    """As many answers of the base as make up a share of a training; its weights are the base's afterwards.

    Args:
        examples: Training examples of the task.
        share: Of the mixed examples.
        max_length: Longest example in tokens; longer ones are left out.

    Raises:
        Interrupted: asked to stop; whole parts are kept.
    """
    prompts = general_prompts()
    wanted = min(replayed_count(examples, share), len(prompts) - ASIDE)
    parts = [prompts[i : i + PART] for i in range(0, math.ceil((ASIDE + wanted) / PART) * PART, PART)]
    made: list[Conversation | None] = []
    for part in parts:
        made += yield from _answered(ctx, model, part, len(made))
        yield Progress(len(made), sum(map(len, parts)), "general prompts")
    limit = min(max_length or model.renderer.context, model.renderer.context)
    fitting = [c if c is not None and len(model.renderer.render(c).ids) <= limit else None for c in made]
    aside = tuple(c for c in fitting[:ASIDE] if c is not None)
    train = tuple(c for c in fitting[ASIDE : ASIDE + wanted] if c is not None)
    left_out = fitting[: ASIDE + wanted].count(None)
    cut = sum(bool(c.meta.get(CUT)) for c in train)
    yield Said(
        f"Replay against forgetting: {len(train)} of the base's own answers to general prompts ({cut} of them cut at"
        f" {TOKENS} tokens and learned without an end); {len(aside)} more are kept aside to measure how far the model"
        " moves from its base." + (f" {left_out} are empty or too long and left out." if left_out else "")
    )
    return OwnAnswers(train, aside)


def _answered(
    ctx: RunContext, model: LanguageModel, part: Sequence[Prompt], first: int
) -> Working[list[Conversation | None]]:
    """Greedy answers as conversations; None where the base says nothing."""
    tokens = THINKING_TOKENS if model.renderer.thinking else TOKENS
    inputs = {
        "model": model.base.hash,
        "dtype": model.device.dtype,
        "prompts": [[m.to_dict() for m in prompt] for prompt in part],
        "tokens": tokens,
    }
    key, kept = ctx.kept("own_answers", inputs, ("models",))
    if kept is None:
        model.use(None)
        ids = [model.renderer.prompt_ids(prompt) for prompt in part]
        done = complete(model, ids, Decoding(tokens).for_chat(model.renderer), max_rows=PART, stopped=ctx.stopped)
        found = {index: (completion.text, completion.finish, completion.thought) for index, completion in done}
        if len(found) < len(part):
            raise Interrupted("Interrupted while the base was answering the general prompts for replay.")
        kept = {"answers": [found[i] for i in range(len(part))]}
        ctx.store.put("own_answers", key, inputs, kept)
    yield from ()
    return [
        Conversation(
            source=Source("general_prompts.toml", first + place + 1),
            meta={CUT: finish == "length"},
            messages=(*prompt, Message("assistant", text, reasoning=thought)),
        )
        if text.strip()
        else None
        for place, (prompt, (text, finish, thought)) in enumerate(zip(part, kept["answers"], strict=True))
    ]
