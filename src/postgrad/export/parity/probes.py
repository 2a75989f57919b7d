"""What the trained model says to the gate's questions, by its own plain code: the truth that an export is held to.

Shapes: T tokens of prompt and answer together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from postgrad.export.foreign import Module
from postgrad.export.parity.questions import Question
from postgrad.models.generation.decoding import cut_at_stop
from postgrad.records import Message, ToolDefinition

ANSWERED = 12
"""So many questions are answered token by token; the others are read alone."""
ANSWER_TOKENS = 24
WHOLE_ANSWER = 192
SHARES = (0.0, 0.5, 0.9, 2.0)
"""How much of what was trained is put on, besides all of it: nothing, half, a tenth less, twice."""
LIKELY = 2
"""So many of the likeliest tokens are kept at each place of an answer."""


@dataclass(frozen=True)
class Probe:
    """One question and the truth about it.

    Attributes:
        ids: Of the prompt, as the model is served: with its own instruction.
        without: Ids of prompts that lack something, by what they lack (`instruction`, `passages`): told apart by them.
        answer: Greedy ids, with the end mark where it came; empty where only the reading is compared.
        finish: `stop` or `length`; empty without an answer.
        text: Of the answer, cut where a text ends it.
        ended_by_token: Whether its last id is an end mark.
        reach: How long the text is after each token of the answer.
        thinks: Whether reasoning stands before the answer.
        dtype: In which the truth was computed.
        logprobs: Of every token after the first, (T-1,), under the trained model.
        margins: At each place of the answer how much likelier its token is than the next one, in nats.
        shares: The same log-probabilities with a share of what was trained.
    """

    question: Question
    ids: tuple[int, ...]
    without: Mapping[str, tuple[int, ...]]
    answer: tuple[int, ...]
    finish: str
    text: str
    logprobs: torch.Tensor
    margins: tuple[float, ...] = ()
    shares: Mapping[float, torch.Tensor] = field(default_factory=dict)
    ended_by_token: bool = False
    reach: tuple[int, ...] = ()
    thinks: bool = False
    dtype: str = "float32"

    @property
    def spoken(self) -> tuple[int, ...]:
        """The answer's ids without its end mark."""
        return self.answer[:-1] if self.ended_by_token else self.answer

    @property
    def whole(self) -> list[int]:
        """Prompt and answer."""
        return [*self.ids, *self.answer]


class Asks(Protocol):
    """How a model is asked: messages of a client to the ids of its prompt."""

    def __call__(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]: ...


@dataclass(frozen=True)
class Truth:
    """A model that can be asked with a share of what was trained.

    Attributes:
        module: A causal language model of transformers', in plain code.
        put: Puts a share of what was trained on it; (1.0) is the trained model. None for shares that it cannot have.
        end_ids: That end an answer.
        stops: Texts that do.
        decode: Ids to text, without special tokens.
        thinks: Whether reasoning stands before its answers.
    """

    module: Module
    put: Callable[[float], AbstractContextManager[None] | None]
    end_ids: frozenset[int]
    decode: Callable[[Sequence[int]], str]
    stops: tuple[str, ...] = ()
    thinks: bool = False


def make_probes(
    truth: Truth,
    questions: Sequence[Question],
    prompts: Sequence[Sequence[int]],
    without: Sequence[Mapping[str, Sequence[int]]],
) -> Iterator[Probe]:
    """The probes, one by one.

    Args:
        truth: The trained model.
        questions: What is asked.
        prompts: Ids of each question's prompt.
        without: Of each question, prompts that lack something.
    """
    made: list[Probe] = []
    placed = truth.put(1.0)
    assert placed is not None
    with placed:
        for number, (question, ids, lacking) in enumerate(zip(questions, prompts, without, strict=True)):
            most = WHOLE_ANSWER if number == 0 else ANSWER_TOKENS  # one is answered to its end
            answer, finish = greedy(truth, ids, most) if number < ANSWERED else ((), "")
            logprobs, margins = scored(truth.module, [*ids, *answer], len(answer))
            lacks = {name: tuple(found) for name, found in lacking.items()}
            by_token = bool(answer) and answer[-1] in truth.end_ids
            spoken = answer[:-1] if by_token else answer
            reach = tuple(len(truth.decode(answer[: n + 1])) for n in range(len(answer)))
            text = cut_at_stop(truth.decode(spoken), truth.stops)[0]
            dtype = str(logprobs_dtype(truth.module)).removeprefix("torch.")
            probe = Probe(question, tuple(ids), lacks, tuple(answer), finish, text, logprobs, margins)
            made.append(replace(probe, ended_by_token=by_token, reach=reach, thinks=truth.thinks, dtype=dtype))
    shares: list[dict[float, torch.Tensor]] = [{} for _ in made]
    for share in SHARES:
        placed = truth.put(share)
        if placed is None:
            continue
        with placed:
            for probe, found in zip(made, shares, strict=True):
                found[share] = scored(truth.module, probe.whole, 0)[0]
    for probe, found in zip(made, shares, strict=True):
        yield replace(probe, shares=found)


def logprobs_dtype(module: Module) -> torch.dtype:
    """In which a module computes."""
    return next(module.parameters()).dtype


@torch.inference_mode()
def scored(module: Module, ids: Sequence[int], answer: int) -> tuple[torch.Tensor, tuple[float, ...]]:
    """Log-probabilities of the tokens after the first, (T-1,), and the margins of the last `answer` of them."""
    device = next(module.parameters()).device
    logits_TV = module(input_ids=torch.tensor([list(ids)], device=device), use_cache=False).logits[0, :-1].float()
    logprobs_TV = torch.log_softmax(logits_TV, -1)
    taken = torch.tensor(list(ids[1:]), device=device)
    logprobs_T = logprobs_TV.gather(1, taken[:, None])[:, 0].cpu()
    margins: tuple[float, ...] = ()
    if answer:
        best = logprobs_TV[-answer:].topk(LIKELY).values.cpu()
        margins = tuple(float(a - b) for a, b in best)
    return logprobs_T, margins


@torch.inference_mode()
def greedy(truth: Truth, ids: Sequence[int], most: int) -> tuple[tuple[int, ...], str]:
    """The likeliest continuation, with the end mark where it comes, and why it ended."""
    device, out = next(truth.module.parameters()).device, list[int]()
    past, fresh = None, torch.tensor([list(ids)], device=device)
    while len(out) < most:
        done = truth.module(input_ids=fresh, past_key_values=past, use_cache=True)
        out.append(int(done.logits[0, -1].argmax()))
        if out[-1] in truth.end_ids or _stopped(truth, out):
            return tuple(out), "stop"
        past = getattr(done, "past_key_values", None)
        if past is None:  # models that keep no such cache read everything again
            fresh = torch.tensor([[*ids, *out]], device=device)
        else:
            fresh = torch.tensor([[out[-1]]], device=device)
    return tuple(out), "length"


def _stopped(truth: Truth, out: Sequence[int]) -> bool:
    return bool(truth.stops) and cut_at_stop(truth.decode(out), truth.stops)[1]
