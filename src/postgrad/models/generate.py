"""Generation: length-sorted batches, the prompts' shared beginning computed once, finished rows leaving the batch.

Shapes: B rows, T time, V vocabulary.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from postgrad.models.cache import copied, growing_cache, select_rows
from postgrad.models.language_model import LanguageModel

MIN_SHARED = 8  # a shorter shared beginning is not worth a forward pass of its own


@dataclass(frozen=True, slots=True)
class Decoding:
    """How answers are decoded. Temperature 0 is greedy.

    Attributes:
        max_new_tokens: At most so many tokens an answer.
        temperature: Divides the logits.
        top_p: Samples from the smallest set with at least this probability.
        seed: Of the sampling.
        stop: Texts that end an answer; not part of it.
    """

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer.

    Attributes:
        text: Without the end mark.
        finish: `stop` (the model or a stop text ended it) or `length`.
        prompt_tokens: Tokens of the whole prompt, shared beginning included.
        completion_tokens: Tokens generated, end mark included.
        logprob: Sum of the natural log-probabilities of the generated tokens.
        seconds: This row's share of its batch's time.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    logprob: float
    seconds: float


Choose = Callable[[torch.Tensor], tuple[int, float]]
"""From the logits (V,) of the next token to the token taken and its natural log-probability."""


@dataclass(slots=True)
class Row:
    """A row in the making.

    Attributes:
        index: Its place in what was asked.
        suffix: The prompt's ids after what the batch shares.
        choose: Takes the row's tokens where each row is steered by itself; None where the batch is decoded alike.
    """

    index: int
    suffix: Sequence[int]
    choose: Choose | None = None
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finish: str = ""


def complete(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    *,
    max_rows: int = 32,
    token_budget: int = 16_384,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[tuple[int, Completion]]:
    """Answers prompts (token ids), yielding (index, completion) as batches finish; not in the order given.

    Args:
        token_budget: Bounds rows × (longest prompt + new tokens), hence memory, whatever the number of prompts.
        stopped: Asked between tokens; when true, the unfinished batch is left and the generator ends.
    """
    if not prompts:
        return
    shared = shared_beginning(prompts)
    with torch.inference_mode():
        prefix = prefill(model, prompts[0][:shared]) if shared else None
        rows = sorted((Row(i, p[shared:]) for i, p in enumerate(prompts)), key=lambda r: -len(r.suffix))
        for batch in _batches(rows, shared, decoding.max_new_tokens, max_rows, token_budget):
            start = time.perf_counter()
            for _ in decode(model, batch, prefix, shared, decoding):
                if stopped():
                    return
            seconds = (time.perf_counter() - start) / len(batch)
            for row in batch:
                yield row.index, completion_of(model, row, shared, decoding, seconds)


def shared_beginning(prompts: Sequence[Sequence[int]]) -> int:
    """Length of the longest common beginning; at least one token stays with each row."""
    if len(prompts) < 2:
        return 0
    shortest = min(len(p) for p in prompts) - 1
    first = prompts[0]
    low, high = 0, shortest
    while low < high:  # common beginnings are nested, so bisection finds the longest
        middle = (low + high + 1) // 2
        if all(p[:middle] == first[:middle] for p in prompts):
            low = middle
        else:
            high = middle - 1
    return low if low >= MIN_SHARED else 0


def prefill(model: LanguageModel, ids: Sequence[int]) -> Any:
    """A one-row cache of a beginning."""
    cache = growing_cache(model.module.config)
    model.body(input_ids=torch.tensor([list(ids)], device=model.device.kind), past_key_values=cache, use_cache=True)
    return cache


def _batches(rows: list[Row], shared: int, new: int, max_rows: int, budget: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:
        widest = shared + len(batch[0].suffix) + new if batch else 0
        if batch and (len(batch) >= max_rows or widest * (len(batch) + 1) > budget):
            yield batch
            batch = []
        batch.append(row)
    yield batch


@torch.inference_mode()
def decode(model: LanguageModel, rows: list[Row], prefix: Any, shared: int, decoding: Decoding) -> Iterator[None]:
    """Generates for the rows in place, yielding after every token; each step may run in another thread than the last."""
    kind, config = model.device.kind, model.module.config
    width = max(len(r.suffix) for r in rows)
    cache = copied(prefix, config, len(rows)) if prefix is not None else growing_cache(config)
    pad = next(iter(model.renderer.end_ids))
    ids_BT = torch.tensor([[pad] * (width - len(r.suffix)) + list(r.suffix) for r in rows], device=kind)
    real = torch.tensor([[0] * (width - len(r.suffix)) + [1] * len(r.suffix) for r in rows], device=kind)
    mask_BT = torch.cat([torch.ones(len(rows), shared, dtype=torch.long, device=kind), real], dim=1)
    padded = bool((mask_BT == 0).any())
    active = list(rows)
    generator = torch.Generator().manual_seed(decoding.seed)
    for produced in range(decoding.max_new_tokens):
        positions = (mask_BT.cumsum(1) - 1).clamp_(min=0)[:, -ids_BT.shape[1] :]
        out = model.body(
            input_ids=ids_BT,
            attention_mask=mask_BT if padded else None,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        )
        logits_BV = model.head(out[0][:, -1])
        if active[0].choose is None:
            chosen_B = choose(logits_BV, decoding, generator)
            logprobs = torch.log_softmax(logits_BV, -1).gather(1, chosen_B[:, None])[:, 0].tolist()
        else:
            steered = [row.choose(logits_V) for row, logits_V in zip(active, logits_BV, strict=True) if row.choose]
            chosen_B = torch.tensor([token for token, _ in steered], device=kind)
            logprobs = [logprob for _, logprob in steered]
        _record(model, active, chosen_B.tolist(), logprobs, decoding, last=produced + 1 == decoding.max_new_tokens)
        yield
        going = [i for i, row in enumerate(active) if not row.finish]
        if not going:
            return
        ids_BT = chosen_B[:, None]
        if len(going) < len(active):
            keep = torch.tensor(going, device=kind)
            select_rows(cache, keep)
            ids_BT, mask_BT = ids_BT[keep], mask_BT[keep]
            active = [active[i] for i in going]
        mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(active), 1)], dim=1)


def choose(logits_BV: torch.Tensor, decoding: Decoding, generator: torch.Generator) -> torch.Tensor:
    """Next token of each row: (B,)."""
    if decoding.temperature <= 0:
        return logits_BV.argmax(-1)
    probabilities = torch.softmax(logits_BV / decoding.temperature, -1).cpu()
    if decoding.top_p < 1:
        ordered, places = probabilities.sort(descending=True)
        ordered[ordered.cumsum(-1) - ordered > decoding.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter_(1, places, ordered)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0].to(logits_BV.device)


def _record(
    model: LanguageModel, rows: list[Row], chosen: list[int], logprobs: list[float], decoding: Decoding, *, last: bool
) -> None:
    """Appends the chosen tokens and marks the rows that are done."""
    for row, token, logprob in zip(rows, chosen, logprobs, strict=True):
        row.ids.append(token)
        row.logprob += logprob
        if token in model.renderer.end_ids or (
            decoding.stop and cut_at_stop(model.renderer.decode(row.ids), decoding.stop)[1]
        ):
            row.finish = "stop"
        elif last:
            row.finish = "length"


def cut_at_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text before the first stop text, and whether there was one."""
    places = [at for s in stops if (at := text.find(s)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def completion_of(model: LanguageModel, row: Row, shared: int, decoding: Decoding, seconds: float) -> Completion:
    """What a finished row has become."""
    text, _ = cut_at_stop(model.renderer.answer_text(row.ids), decoding.stop)
    return Completion(text, row.finish, shared + len(row.suffix), len(row.ids), row.logprob, seconds)
