"""The parts of the forgetting battery that are not rows of a benchmark: questions answered in the model's own words,
and tasks of the lm-evaluation-harness. Both are kept like every stage.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from postgrad.errors import Interrupted
from postgrad.evaluation.battery import HARNESS
from postgrad.evaluation.battery.harness import task_hash, task_scores
from postgrad.evaluation.battery.open_questions import Questions
from postgrad.models.generation.generate import Decoding, complete
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Progress, Said, Working
from postgrad.records import Message
from postgrad.steps.context import RunContext

USUAL_ITEMS = 500
"""Items a benchmark, where no number is asked for and there is time: all of multiple choice together then shows a loss
of 5 points at least four times in five."""
AT_ONCE = 64  # questions answered in one batch, and kept together


@dataclass(frozen=True)
class Answered:
    """For each test right (1.0) or wrong (0.0) by question, and the answers by question."""

    scores: dict[str, list[float]]
    answers: dict[str, dict[str, str]]
    seconds: float


def ask(ctx: RunContext, model: LanguageModel, adapter: str | None, tests: Sequence[Questions]) -> Working[Answered]:
    """Asks all questions, each once however many tests look at its answer, and judges the answers by rule."""
    answers: dict[tuple[int, str], str] = {}
    seconds = 0.0
    total = len({(t.tokens, q.prompt) for t in tests for q in t.items})
    for tokens in sorted({t.tokens for t in tests}):
        prompts = list(dict.fromkeys(q.prompt for t in tests if t.tokens == tokens for q in t.items))
        for start in range(0, len(prompts), AT_ONCE):
            part = prompts[start : start + AT_ONCE]
            texts, took = yield from _answers(ctx, model, adapter, part, tokens)
            answers.update(((tokens, prompt), text) for prompt, text in zip(part, texts, strict=True))
            seconds += took
            yield Progress(len(answers), total, "questions")
    by_test = {t.name: {q.prompt: answers[t.tokens, q.prompt] for q in t.items} for t in tests}
    scores = {t.name: [float(q.rule(by_test[t.name][q.prompt])) for q in t.items] for t in tests}
    return Answered(scores, by_test, seconds)


def _answers(
    ctx: RunContext, model: LanguageModel, adapter: str | None, prompts: list[str], tokens: int
) -> Working[tuple[list[str], float]]:
    """Greedy answers in the order of the prompts, and the seconds that they took."""
    inputs = {
        "model": model.base.hash,
        "adapter": adapter,
        "dtype": model.device.dtype,
        "prompts": prompts,
        "tokens": tokens,
    }
    key, kept = ctx.kept("general_answers", inputs, ("models",))
    if kept is None:
        start = time.monotonic()
        ids = [model.renderer.prompt_ids([Message("user", prompt)]) for prompt in prompts]
        decoding = Decoding(tokens).for_chat(model.renderer).with_thought(model.renderer)
        done = complete(model, ids, decoding, max_rows=AT_ONCE, stopped=ctx.stopped)
        texts = {index: completion.text for index, completion in done}
        if len(texts) < len(prompts):
            raise Interrupted("Interrupted while general questions were being answered.")
        kept = {"texts": [texts[i] for i in range(len(prompts))], "seconds": time.monotonic() - start}
        ctx.store.put("general_answers", key, inputs, kept)
    yield from ()
    return kept["texts"], kept["seconds"]


def harness_scores(
    ctx: RunContext, model: LanguageModel, adapter: str | None, name: str, count: int
) -> Working[tuple[list[float], float]]:
    """A task of the lm-evaluation-harness on its first `count` items, and the seconds that it took."""
    task = name.removeprefix(HARNESS)
    inputs = {
        "model": model.base.hash,
        "adapter": adapter,
        "dtype": model.device.dtype,
        "task": task_hash(task),
        "items": count,
    }
    key, kept = ctx.kept("general_task", inputs, ("models", "evaluation/battery"))
    if kept is None:
        yield Said(f"{name}: the harness prepares its items")
        start = time.monotonic()
        found = task_scores(model, task, count, ctx.stopped)
        kept = {"scores": found.scores, "metric": found.metric, "seconds": time.monotonic() - start}
        ctx.store.put("general_task", key, inputs, kept)
    mean = sum(kept["scores"]) / len(kept["scores"])
    yield Said(f"{name}: {kept['metric']} {100 * mean:.1f} % on {len(kept['scores'])} items")
    return kept["scores"], kept["seconds"]
