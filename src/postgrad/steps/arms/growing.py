"""How many worked examples, and how many neighbours, a model is shown: as many as its context holds and validation says
that it gains by. Five are enough for a small model; a large one learns from a hundred.

The choice is by the likelihood of right validation answers, which needs no generation. More examples are taken only
where the answers become likelier by more than the standard error. Of what is shown every request pays: on a CPU the
block that all share is held to `CPU_SHARED` tokens, and what each request has for itself to `CPU_OWN`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from postgrad.evaluation import arms as ways
from postgrad.evaluation.few_shot import candidate_sets, choose_examples, clearly_likelier, larger_sets
from postgrad.evaluation.retrieval import Index
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.records import Message, Record
from postgrad.steps.arms.metric_resources import mean_logprobs
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples, TaskSpec

T = TypeVar("T")
SHOTS = (20, 100)
"""Numbers of worked examples that are tried beside the first few."""
NEIGHBOURS = (3, 8, 20)
CPU_SHARED, CPU_OWN = 2000, 500
OWN_SHARE = 0.3
"""Of the context, for the neighbours of one request."""
JUDGES = 12
"""Validation answers whose likelihood decides."""


class Shown(Protocol):
    """What is needed of `making.Making`."""

    ctx: RunContext
    model: LanguageModel
    examples: Examples
    task: TaskSpec


def shots(making: Shown, count: int, usual: float, left: float) -> Working[tuple[list[Record], list[list[Record]]]]:
    """The few-shot block, chosen on validation, and the sets of `count` that it was chosen among first; kept.

    Args:
        usual: Tokens of a training example.
        left: Tokens of examples that the context has room for.
    """
    train, seed = making.examples.train, making.ctx.seed
    sets = candidate_sets(train, count, seed)
    most = left if making.model.device.kind != "cpu" else min(left, CPU_SHARED)
    larger = [n for n in SHOTS if count < n <= len(train) and n * usual <= most]
    more = [examples for n in larger for examples in larger_sets(train, n, seed)]
    judges = _judges(making)

    def ask(examples: list[Record], record: Record) -> tuple[Message, ...]:
        return ways.few_shot(making.task.instruction, examples).ask(record)

    def choose() -> int:
        known: list[list[float]] = []

        def likelihoods(pairs: Sequence[tuple[tuple[Message, ...], str]]) -> list[float]:
            known.append(mean_logprobs(making.model, pairs))
            return known[-1]

        best, _ = choose_examples(sets, judges, ask, likelihoods)
        return _grown(making, [*sets, *more], best, known, ask)

    best = _kept(making, "few_shot", [ask(s, r) for s in (*sets, *more) for r in judges], choose)
    chosen = [*sets, *more][best]
    tried = " and ".join(map(str, [count, *larger]))
    yield Said(
        f"Few-shot: {len(chosen)} examples, by the likelihood of {len(judges)} validation answers; sets of {tried} were"
        " tried."
    )
    return chosen, sets


def neighbour_count(making: Shown, index: Index, usual: float) -> Working[int]:
    """How many of the nearest training examples each request is shown, chosen on validation; kept."""
    train = making.examples.train
    own = OWN_SHARE * making.model.base.context
    most = own if making.model.device.kind != "cpu" else min(own, CPU_OWN)
    counts = [n for n in NEIGHBOURS if n <= len(train) and n * usual <= most]
    counts = counts or [max(1, min(NEIGHBOURS[0], len(train), int(most / usual)))]
    if len(counts) == 1:
        return counts[0]
    judges = _judges(making)

    def ask(count: int, record: Record) -> tuple[Message, ...]:
        return ways.rag_examples(making.task.instruction, train, index, count).ask(record)

    place = _kept(
        making,
        "neighbours",
        [ask(n, r) for n in counts for r in judges],
        lambda: _grown(making, counts, 0, [], ask),
    )
    yield Said(
        f"Retrieval: {counts[place]} neighbours, by the likelihood of {len(judges)} validation answers;"
        f" {', '.join(map(str, counts))} were tried."
    )
    return counts[place]


def _judges(making: Shown) -> list[Record]:
    return sorted(making.examples.validation, key=lambda r: len(r.prompt_text))[:JUDGES]


def _grown(
    making: Shown,
    options: Sequence[T],
    best: int,
    known: Sequence[Sequence[float]],
    ask: Callable[[T, Record], tuple[Message, ...]],
) -> int:
    """The place of the best option, from `best` on: each later one only where it is clearly likelier.

    Args:
        known: The likelihoods of the judges' answers under the first options, as far as they are known; empty: none.
    """
    judges = _judges(making)

    def values(place: int) -> list[float]:
        return mean_logprobs(making.model, [(ask(options[place], r), r.answer_text) for r in judges])

    reached = known[best] if known else values(best)
    for place in range(max(1, len(known)), len(options)):
        found = values(place)
        if clearly_likelier(found, reached):
            best, reached = place, found
    return best


def _kept(making: Shown, stage: str, asked: Sequence[tuple[Message, ...]], choose: Callable[[], int]) -> int:
    """The choice, from an earlier run where everything that it follows from is the same."""
    inputs = {
        "model": making.model.base.hash,
        "asked": [[m.to_dict() for m in messages] for messages in asked],
        "answers": [r.answer_text for r in _judges(making)],
        "dtype": making.model.device.dtype,
    }
    key, kept = making.ctx.kept(stage, inputs, ("models", "evaluation", "steps/arms/growing"))
    if kept is None:
        kept = {"best": choose()}
        making.ctx.store.put(stage, key, {"asked": len(asked)}, kept)
    return kept["best"]
