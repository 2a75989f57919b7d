"""The arm `optimised_prompt`: searched on training and validation, at about the price of measuring one arm."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from postgrad.errors import Interrupted
from postgrad.evaluation import arms as ways
from postgrad.evaluation.answer_grammar import answer_grammar, can_be_held
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.candidate_instructions import Instruction, instructions
from postgrad.evaluation.measure import answer
from postgrad.evaluation.prompt_search import (
    CHALLENGERS,
    FEWEST_ANSWERS,
    FEWEST_PROMPTS,
    JUDGED,
    CandidatePrompt,
    answers_in,
    finalists,
    going_on,
    in_order_asked,
    named,
    rounds,
    spread,
    winner,
    with_examples,
)
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Progress, Working
from postgrad.records import Record, content_hash, tools_of
from postgrad.steps.arms.measuring import as_tested
from postgrad.steps.arms.metric_resources import mean_logprobs
from postgrad.steps.arms.prompt_proposer import SearchSettings, proposed_instruction
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples, TaskSpec

SPARE = 1.1
"""Prompts of the test part may be longer than any that the search has seen."""
TIME_SHARE = 0.06
"""Of the run's pace, in which prompts are ranked by likelihood; as much again for real answers, of which one round is
always asked."""


def searched_prompt(
    ctx: RunContext,
    settings: SearchSettings,
    model: LanguageModel,
    examples: Examples,
    task: TaskSpec,
    chosen: Sequence[Record],
    sets: Sequence[Sequence[Record]],
) -> Working[Arm]:
    """The arm, from the kept search or a new one.

    Args:
        chosen: The block of the arm few_shot.
        sets: The sets that it was chosen among.

    Raises:
        Interrupted: the job was stopped; the answers until then are kept.
    """
    proposer = settings.proposer
    inputs = {
        "model": model.base.hash,
        "dtype": model.device.dtype,
        "system": task.instruction,
        "own": task.own_instruction,
        "train": [content_hash(r) for r in examples.train],
        "validation": [content_hash(r) for r in examples.validation],
        "sets": [[content_hash(r) for r in s] for s in (chosen, *sets)],
        "metric": task.choice.primary.name,
        "asked": settings.metric,
        "judge": settings.judge,
        "seed": ctx.seed,
        "answers": len(examples.test),
        "proposer": proposer.name if proposer else None,
        "calls": proposer.calls if proposer else None,
    }
    key, kept = ctx.kept(
        "optimised_prompt", inputs, ("models", "evaluation", "steps/arms/prompt_search", "steps/arms/prompt_proposer")
    )
    if kept is None:
        search = _Search(ctx, settings, model, examples, task)
        prompt, note = yield from search.run(chosen, sets)
        kept = {"prompt": asdict(prompt), "note": note}
        ctx.store.put("optimised_prompt", key, {"model": model.name}, kept)
    raw = kept["prompt"]
    prompt = CandidatePrompt(**{**raw, "instruction": Instruction(**raw["instruction"]), "shots": tuple(raw["shots"])})
    return ways.optimised_prompt(prompt, examples.train, kept["note"])


class _Search:
    """One search; the test part is known by its size alone."""

    def __init__(
        self, ctx: RunContext, settings: SearchSettings, model: LanguageModel, examples: Examples, task: TaskSpec
    ) -> None:
        self.ctx, self.settings, self.model, self.examples, self.task = ctx, settings, model, examples, task
        how = as_tested(ctx, model, task, examples, None)
        self.decoding, self.answers = how.decoding, how.answers
        self.judged = spread(examples.validation, JUDGED, ctx.seed)
        share = TIME_SHARE * 60 * ctx.clock.pace
        self.start = time.monotonic()
        self.until = self.start + share
        self.over = self.until + share
        self.hurried = False
        self.asked = self.answers_planned = 0
        self.too_long = self.untried = 0

    def run(self, chosen: Sequence[Record], sets: Sequence[Sequence[Record]]) -> Working[tuple[CandidatePrompt, str]]:
        """The best prompt, and how it was found."""
        train, task = self.examples.train, self.task
        places = {id(r): i for i, r in enumerate(train)}
        block = [places[id(r)] for r in chosen]
        plain = instructions(train, task.choice.kind, task.instruction, task.own_instruction)
        known = [
            named(CandidatePrompt(plain[0]), "prompted"),
            named(CandidatePrompt(plain[0], tuple(block)), "few_shot"),
        ]
        bare = self._fitting([CandidatePrompt(i) for i in plain[1:]])
        values = yield from self._likelihoods([*known, *bare], fewest=len(known))
        bare = bare[: len(values) - len(known)]
        order = sorted(range(len(bare)), key=lambda i: -values[2 + i])
        best = [bare[i].instruction for i in order[:2]]
        # with examples the given instruction may do where alone it does not
        leading = [plain[0], *best][:2] if values[0] >= max(values[2:], default=-np.inf) else [*best, plain[0]][:2]
        shown = self._fitting(with_examples(leading, [[places[id(r)] for r in s] for s in sets], block, self.ctx.seed))
        shown = [p for p in shown if (p.instruction, p.shots, p.nearest_last) != (plain[0], tuple(block), False)]
        values += yield from self._likelihoods(shown, len(values), len(values) + len(shown))
        shown = shown[: len(values) - len(known) - len(bare)]
        prompts = [*known, *bare, *shown]
        through = finalists(prompts, values, CHALLENGERS if time.monotonic() < self.until else 1)
        proposed = yield from proposed_instruction(self.ctx, self.settings, self.examples, leading[0], self.scores)
        if proposed is not None and proposed.instruction is not None:
            prompts.append(CandidatePrompt(proposed.instruction))
            values += yield from self._likelihoods(prompts[-1:], len(values), len(prompts), fewest=1)
            through.append(len(prompts) - 1)
        found, tried = yield from self._halved([prompts[i] for i in through], [values[i] for i in through])
        self.ctx.ledger.took("optimised_prompt search", time.monotonic() - self.start)
        note = self._note(found, len(prompts), len(through), tried)
        return found, note + (f" {proposed.note}" if proposed is not None else "")

    def _fitting(self, prompts: Sequence[CandidatePrompt]) -> list[CandidatePrompt]:
        """Those that leave room for an answer to the longest request seen."""
        longest = sorted(self.examples.known, key=lambda r: -len(r.prompt_text))[:3]
        room = self.model.base.context - self.decoding.max_new_tokens
        fit = [p for p in prompts if all(SPARE * len(self._ids(p, r)) <= room for r in longest)]
        self.too_long += len(prompts) - len(fit)
        return fit

    def _ids(self, prompt: CandidatePrompt, record: Record) -> list[int]:
        messages = ways.optimised_prompt(prompt, self.examples.train).ask(record)
        return self.model.renderer.prompt_ids(messages, tools_of(record))

    def _likelihoods(
        self, prompts: Sequence[CandidatePrompt], done: int = 0, total: int | None = None, fewest: int = 0
    ) -> Working[list[float]]:
        """The mean log-probability a token of the judged validation answers under each; only of the first ones where
        the time for the search is over, though of `fewest` at least."""
        out = []
        for prompt in prompts:
            if len(out) >= fewest and time.monotonic() > self.until:
                self.untried += len(prompts) - len(out)
                break
            if self.ctx.stopped():
                raise Interrupted("Interrupted while prompts were being tried; the same command tries them again.")
            arm = ways.optimised_prompt(prompt, self.examples.train)
            pairs = [(arm.ask(r), r.answer_text) for r in self.judged]
            out.append(float(np.mean(mean_logprobs(self.model, pairs))))
            yield Progress(done + len(out), total or len(prompts), "prompts")
        return out

    def scores(self, prompt: CandidatePrompt, records: Sequence[Record]) -> Working[tuple[list[str], list[float]]]:
        """What the model answers to records of training or validation, and what that is worth."""
        arm = ways.optimised_prompt(prompt, self.examples.train)
        asked = [arm.ask(r) for r in records]
        ids = [self.model.renderer.prompt_ids(m, tools_of(r)) for m, r in zip(asked, records, strict=True)]
        form = self.task.choice.form
        grammar = answer_grammar(self.model, form) if can_be_held(form) else None
        completions = yield from answer(self.model, ids, self.decoding, self.answers, self.ctx.stopped, grammar)
        self.asked += len(records)
        texts = [c.text for c in completions]
        return texts, list(self.task.choice.measure(texts, records, asked).scores)

    def _halved(self, prompts: list[CandidatePrompt], values: list[float]) -> Working[tuple[CandidatePrompt, int]]:
        """The best by real answers, and on how many validation examples the last two were compared."""
        if self.settings.judge is not None:
            return prompts[int(np.argmax(values))], 0  # a judge is dear, and calibrated on whole sets of answers
        examples = in_order_asked(self.examples.validation, self.ctx.seed)
        scores: list[list[float]] = [[] for _ in prompts]
        ends = rounds(len(prompts), len(examples), len(self.examples.test))
        self.answers_planned = answers_in(len(prompts), ends)
        for number, end in enumerate(ends):
            if number and not self.hurried and time.monotonic() > self.over:
                self.hurried = True
            if self.hurried:  # the two best alone, on as many answers as a decision takes
                best = going_on(scores, prompts, values)[:2]
                prompts, scores, values = (
                    [prompts[i] for i in best],
                    [scores[i] for i in best],
                    [values[i] for i in best],
                )
                end = max(len(scores[0]), min(len(examples), FEWEST_ANSWERS))
            for prompt, known in zip(prompts, scores, strict=True):
                if end > len(known):
                    _, new = yield from self.scores(prompt, examples[len(known) : end])
                    known += new
            if self.hurried:
                break
            if number < len(ends) - 1:
                kept = going_on(scores, prompts, values)
                prompts, scores, values = (
                    [prompts[i] for i in kept],
                    [scores[i] for i in kept],
                    [values[i] for i in kept],
                )
        return prompts[winner(scores, prompts)], len(scores[0])

    def _note(self, found: CandidatePrompt, prompts: int, finals: int, tried: int) -> str:
        """What was tried, what that was worth, and what it might have taken."""
        how = f"{prompts} prompts by the likelihood of {len(self.judged)} validation answers"
        how += (
            f", the best {finals} by {self.asked} answers on up to {tried} validation examples"
            if tried
            else " alone, because the metric requires a judge"
        )
        left = f"; {self.too_long} more were too long for the model" if self.too_long else ""
        left += f"; {self.untried} more were not tried, to stay within the time limit" if self.untried else ""
        left += "; the middle rounds were skipped, to stay within the time limit" if self.hurried else ""
        if found.like:
            outcome = f"none did better than {found.like}, so it is the same, and nothing was optimised"
            told = f"Tried {how}{left}: {outcome}."
        else:
            told = f"Tried {how}{left}. Taken: {found.words}."
            if prompts < FEWEST_PROMPTS:
                told += f" Fewer than {FEWEST_PROMPTS} prompts are a first look: do not call this one optimised."
        return f"{told} {self._budget(prompts)}"

    def _budget(self, prompts: int) -> str:
        """What the search might take, and what it took."""
        allowed, used = self.over - self.start, time.monotonic() - self.start
        answers = f", {self.answers_planned} answers" if self.answers_planned else ""
        return (
            f"Budget: {prompts + self.untried} prompts{answers}, {allowed / 60:.1f} minutes; used: {prompts} prompts"
            f"{f', {self.asked} answers' if answers else ''}, {used / 60:.1f} minutes."
        )
