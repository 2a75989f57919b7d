"""What a distillation will compute, and what stands in memory for it, without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from postgrad.models.rendering.render import Renderer, TooLong
from postgrad.objectives import Cost
from postgrad.records import Conversation, Record
from postgrad.training.distillation.examples import Taught, shown
from postgrad.training.distillation.options import DistillOptions
from postgrad.training.distillation.teacher import Teacher
from postgrad.training.memory import model_bytes, packs, reading_bytes

MOST_BYTES = 2 << 30
"""What a teacher says of answers that stay the same is computed once if it takes no more than this."""
ROW = 2048
"""Own tokens of the sequences that a teacher reads together, as token_budget is usually."""


def cost_of_distillation(
    renderer: Renderer,
    records: Sequence[Record],
    max_length: int | None,
    too_long: TooLong,
    options: DistillOptions,
) -> Cost:
    """Each conversation forward and backward, with the data's answer or one as long as may be; and what the teacher
    reads of it forward, an instruction that all share once a row."""
    wanted = [r for r in records if isinstance(r, Conversation)]
    way, room = options.way, options.answer_tokens
    prompts = [len(renderer.prompt_ids(r.prompt, r.tools)) for r in wanted]
    own = way == "logits" and options.answers != "teacher" and all(r.answer is not None for r in wanted)
    answers = [renderer.count(r.answer_text) + 1 if own else room for r in wanted]
    sequences = [p + a for p, a in zip(prompts, answers, strict=True) for _ in range(options.samples)]
    note = (
        "" if own else f"Computed for answers of {room} tokens each (training.answer_tokens): shorter ones take less."
    )
    if way == "text":
        return Cost(sequences, sum(answers), note=f"{note} The teacher's own time is not counted.")
    teacher = Teacher("the teacher", renderer, {}, "", None, options.teacher_prompt, options.demonstrate)
    asked = [renderer.prompt_ids(teacher.asked(r), r.tools) for r in wanted]
    shared = _shared(asked)
    read = sum(len(ids) - shared + a for ids, a in zip(asked, answers, strict=True)) * options.samples
    rows = len(wanted) / 4 if way == "on_policy" else math.ceil(read / ROW)  # a step's answers are read together
    share = (read + rows * shared) / max(1, sum(sequences))
    if way == "logits":
        words = note if own else f"{note} The time in which the teacher answers is not counted."
        return Cost(sequences, sum(answers), once=share, note=words)
    cache = min(16_384, 64 * max(sequences, default=0))
    return Cost(sequences, sum(answers) * options.samples, options.samples, forward=1 + share, sampled=cache, note=note)


def _shared(prompts: Sequence[list[int]]) -> int:
    """Tokens that all begin with."""
    first, last = min(prompts, default=()), max(prompts, default=())  # the two that differ first
    pairs = enumerate(zip(first, last, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(last)))


def beside_bytes(teacher: Teacher, examples: Sequence[Taught], on_policy: bool) -> int:
    """Bytes for the teacher: its weights where it is another model, one of its passes, and what is kept of it."""
    read, config = shown(examples), teacher.config
    longest = max((len(s.ids) for s in read), default=0)
    size = reading_bytes(config, teacher.dtype, longest + ROW)
    if not on_policy:
        tokens = sum(e.supervised for e in examples)
        width = int(config.get("text_config", config).get("hidden_size") or 0)
        size += min(MOST_BYTES, tokens * width * (2 if teacher.dtype == "bfloat16" else 4))
    if teacher.model is not None:
        size += model_bytes(config, teacher.dtype, packs(teacher.model.device.kind, teacher.dtype))
    return size
