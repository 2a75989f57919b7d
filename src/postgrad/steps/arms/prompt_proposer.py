"""A proposer: a model that rewrites the instruction after looking at wrong answers, by the package gepa.

gepa (Agrawal et al., arXiv 2507.19457) is given training examples to learn from and validation examples to choose by.
It calls back, so it runs in a thread of its own while this step passes its progress on.
"""

from __future__ import annotations

import importlib.util
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from postgrad.arm_kinds import OPTIMISED_PROMPT
from postgrad.errors import DataError, ModelError, PostgradError, UsageError
from postgrad.evaluation.candidate_instructions import Instruction
from postgrad.evaluation.metrics.support.fields import reference_of
from postgrad.evaluation.metrics.support.metric import AskModel
from postgrad.evaluation.prompt_search import CandidatePrompt, spread
from postgrad.progress import Event, Said, Working, finished
from postgrad.recipe import EvaluationSection
from postgrad.records import Record
from postgrad.steps.arms.metric_resources import asking
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples

LEARNED_FROM = 40
CHOSEN_BY = 16
"""Validation examples that every accepted instruction is tried on: gepa tries each on all of them."""
PROPOSAL_TOKENS = 512
_LETTERS = 1500

Scores = Callable[[CandidatePrompt, Sequence[Record]], Working[tuple[list[str], list[float]]]]
"""What the model answers to records under a prompt, and what each answer is worth."""


@dataclass(frozen=True)
class Proposer:
    """A model that writes instructions.

    Attributes:
        name: As the user named it.
        calls: Answers that trying its instructions may take.
    """

    name: str
    ask: AskModel
    calls: int


@dataclass(frozen=True)
class SearchSettings:
    """What decides the search for a prompt besides examples and model: the metric and judge as they were named, and who
    writes instructions."""

    metric: str | None
    judge: str | None
    proposer: Proposer | None


@dataclass(frozen=True)
class Proposed:
    """The best instruction that the proposer wrote, if one was better than the given one, and a sentence on it."""

    instruction: Instruction | None
    note: str


def search_settings(ctx: RunContext, settings: EvaluationSection) -> SearchSettings:
    """As the recipe wishes.

    Raises:
        UsageError: nothing would ask the proposer, or it cannot be asked.
    """
    return SearchSettings(settings.metric, settings.judge, _proposer(ctx, settings))


def _proposer(ctx: RunContext, settings: EvaluationSection) -> Proposer | None:
    if settings.proposer is None:
        return None
    if OPTIMISED_PROMPT not in settings.arms:
        raise UsageError(f"A proposer is given, but not the arm {OPTIMISED_PROMPT}.", "Add it to --arms.")
    if importlib.util.find_spec("gepa") is None:
        raise UsageError("A proposer needs the package gepa.", "pip install 'postgrad[prompts]'")
    # an address, a key or a price that is wrong is told now
    ask = asking(ctx, settings, settings.proposer, PROPOSAL_TOKENS)
    return Proposer(settings.proposer, ask, settings.proposer_calls)


def proposed_instruction(
    ctx: RunContext, settings: SearchSettings, examples: Examples, start: Instruction, scores: Scores
) -> Working[Proposed | None]:
    """What the proposer makes of an instruction; None where none is named.

    A proposer that fails costs its proposal alone, and that is said.

    Raises:
        Interrupted: the job was stopped.
    """
    proposer = settings.proposer
    if proposer is None:
        return None
    if settings.judge is not None:
        return Proposed(
            None, "The proposer was not used: the metric requires a judge, which would be queried for every attempt."
        )
    train = spread(examples.train, LEARNED_FROM, ctx.seed)
    chosen_by = spread(examples.validation, CHOSEN_BY, ctx.seed)
    try:
        found = yield from _optimised(ctx, proposer, start, (train, chosen_by), scores)
    except (ModelError, DataError) as error:
        yield Said(f"The proposer {proposer.name} failed: {error}", warning=True)
        return Proposed(None, f"The proposer {proposer.name} failed: {error.message}")
    best, wrote, calls = found
    told = (
        f"The proposer {proposer.name} wrote {wrote} instruction{'' if wrote == 1 else 's'}, tried by {calls} answers"
    )
    if best == start.text:
        return Proposed(None, f"{told}; none did better than the initial one.")
    return Proposed(Instruction("an instruction by the proposer", best, start.place), f"{told}.")


def _optimised(
    ctx: RunContext,
    proposer: Proposer,
    start: Instruction,
    parts: tuple[list[Record], list[Record]],
    scores: Scores,
) -> Working[tuple[str, int, int]]:
    """gepa's best instruction, how many were written, and how many answers that took."""
    events: queue.Queue[Event | None] = queue.Queue()
    outcome: list[Any] = []
    writer = _Writer(proposer.ask)

    def work() -> None:
        from gepa.api import optimize

        try:
            outcome.append(
                optimize(
                    {"instruction": start.text},
                    *parts,
                    adapter=_Adapter(start, scores, events.put),
                    max_metric_calls=proposer.calls,
                    reflection_lm=writer,
                    stop_callbacks=lambda gepa_state: ctx.stopped() or writer.failure is not None,
                    logger=_Quiet(),
                    seed=ctx.seed,
                    cache_evaluation=True,
                )
            )
        except PostgradError as error:
            outcome.append(error)
        finally:
            events.put(None)

    thread = threading.Thread(target=work, name="proposer", daemon=True)
    thread.start()
    while (event := events.get()) is not None:
        yield event
    thread.join()
    if writer.failure is not None:
        raise writer.failure
    if not outcome:
        raise ModelError("gepa ended without a result.", "Leave evaluation.proposer out.")
    if isinstance(outcome[0], PostgradError):
        raise outcome[0]
    result = outcome[0]
    return result.best_candidate["instruction"], writer.wrote, result.total_metric_calls or 0


class _Writer:
    """The model that writes; gepa would go on after a failure of it, and spend answers for nothing."""

    def __init__(self, ask: AskModel) -> None:
        self._ask, self.wrote = ask, 0
        self.failure: PostgradError | None = None

    def __call__(self, prompt: str | list[dict[str, Any]]) -> str:
        try:
            text = self._ask([_chat(prompt)])[0]
        except PostgradError as error:
            self.failure = error
            raise
        self.wrote += 1
        return text


class _Adapter:
    """What gepa asks of a system: answers with scores, and examples to reflect on."""

    propose_new_texts: Any = None

    def __init__(self, start: Instruction, scores: Scores, tell: Callable[[Event], None]) -> None:
        self._start, self._scores, self._tell = start, scores, tell

    def evaluate(self, batch: list[Record], candidate: dict[str, str], capture_traces: bool = False) -> Any:
        """The answers under a candidate, each with its score."""
        from gepa.core.adapter import EvaluationBatch

        instruction = Instruction("", candidate["instruction"], self._start.place)
        work = self._scores(CandidatePrompt(instruction), batch)
        texts, values = finished(work, self._tell)
        traces = [(r, t, v) for r, t, v in zip(batch, texts, values, strict=True)] if capture_traces else None
        return EvaluationBatch(outputs=texts, scores=values, trajectories=traces)

    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> Any:
        """Requests, answers and what would have been right."""
        rows = [
            {
                "Inputs": record.prompt_text[:_LETTERS],
                "Generated Outputs": text[:_LETTERS],
                "Feedback": f"Worth {value:.2f} of 1. The right answer is: {reference_of(record)[:_LETTERS]}",
            }
            for record, text, value in eval_batch.trajectories or ()
        ]
        return dict.fromkeys(components_to_update, rows)


class _Quiet:
    def log(self, message: str) -> None:
        """gepa's own words are not for users."""


def _chat(prompt: str | list[dict[str, Any]]) -> list[dict[str, str]]:
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [{"role": str(m["role"]), "content": str(m["content"])} for m in prompt]
