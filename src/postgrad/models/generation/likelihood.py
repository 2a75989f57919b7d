"""Log-likelihood of given continuations: what multiple-choice benchmarks and the few-shot choice need. A context is
computed once for all its choices, and the contexts' shared beginning once for all.

Shapes: B rows (one a choice), T time, H hidden, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from postgrad.models.device import sums_in
from postgrad.models.generation.generate import prefill, shared_beginning
from postgrad.models.generation.kv_cache import copied, growing_cache, keeps_all, keeps_right, read_on, select_rows
from postgrad.models.language_model import LanguageModel
from postgrad.records import Conversation, Message, Record


@dataclass(frozen=True, slots=True)
class ChoiceItem:
    """A context and its possible continuations, as token ids."""

    context: tuple[int, ...]
    choices: tuple[tuple[int, ...], ...]


def encode_item(model: LanguageModel, context: str, choices: Sequence[str]) -> ChoiceItem:
    """Tokenises as the lm-evaluation-harness does: context and choice together, cut where the context's tokens
    end; white space at the context's end belong to the choices."""
    renderer = model.renderer
    bare = context.rstrip() or context
    context, choices = bare, [context[len(bare) :] + choice for choice in choices]
    context_ids = renderer.encode(context)
    cut = len(context_ids)
    wholes = [renderer.encode(context + choice) for choice in choices]
    return ChoiceItem(tuple(context_ids), tuple(tuple(whole[cut:]) for whole in wholes))


def encode_asked(model: LanguageModel, question: str, answers: Sequence[str]) -> ChoiceItem:
    """A question as a user asks it, and answers as the model would begin them; answers come without their end."""
    asked = model.renderer.prompt_ids([Message("user", question)])
    return ChoiceItem(tuple(asked), tuple(tuple(model.renderer.encode(answer)) for answer in answers))


def log_likelihoods(
    model: LanguageModel, items: Sequence[ChoiceItem], token_budget: int = 4096
) -> Iterator[tuple[int, list[float]]]:
    """Sum of log-probabilities of every choice given its context: yields (index of item, one value a choice)."""
    for index, values in greedy_log_likelihoods(model, items, token_budget):
        yield index, [value for value, _ in values]


def greedy_log_likelihoods(
    model: LanguageModel, items: Sequence[ChoiceItem], token_budget: int = 4096
) -> Iterator[tuple[int, list[tuple[float, bool]]]]:
    """The same, each with whether greedy decoding would have written the choice."""
    order = sorted(range(len(items)), key=lambda i: -len(items[i].context))
    longest = max((len(i.context) + max(map(len, i.choices)) for i in items), default=0)
    cached = keeps_right(model)
    shared = shared_beginning([i.context for i in items]) if cached and keeps_all(model.module.config, longest) else 0
    with torch.inference_mode():
        prefix = prefill(model, items[0].context[:shared]) if shared else None
        rest = [ChoiceItem(item.context[shared:], item.choices) for item in items]
        for batch in _batches(order, rest, token_budget):
            some = [rest[i] for i in batch]
            scores = _batch_scores(model, some, prefix, shared) if cached else _whole_scores(model, some)
            yield from zip(batch, scores, strict=True)


def answer_losses(model: LanguageModel, records: Sequence[Record]) -> list[float]:
    """Mean loss of the model on each record's last answer given all before it, in nats per token.

    NaN where there is no answer, or the example is longer than the model's context.
    """
    items: dict[int, ChoiceItem] = {}
    for index, record in enumerate(records):
        if not isinstance(record, Conversation) or not record.answer_text.strip():
            continue
        rendered = model.renderer.render(record)
        end = max((i + 1 for i, weight in enumerate(rendered.weights) if weight > 0), default=0)
        start = end
        while start and rendered.weights[start - 1] > 0:
            start -= 1
        if 0 < start < end and len(rendered.ids) <= model.base.context:
            items[index] = ChoiceItem(rendered.ids[:start], (rendered.ids[start:end],))
    losses = [math.nan] * len(records)
    places = list(items)
    for place, (score,) in log_likelihoods(model, list(items.values())) if items else ():
        losses[places[place]] = -score / len(items[places[place]].choices[0])
    return losses


def _batches(order: list[int], items: Sequence[ChoiceItem], budget: int) -> Iterator[list[int]]:
    batch: list[int] = []
    used = 0
    for i in order:
        rows = len(items[i].choices)
        size = len(items[i].context) + rows * max(len(c) for c in items[i].choices)
        if batch and used + size > budget:
            yield batch
            batch, used = [], 0
        batch.append(i)
        used += size
    if batch:
        yield batch


def _batch_scores(
    model: LanguageModel, items: list[ChoiceItem], prefix: Any, shared: int
) -> list[list[tuple[float, bool]]]:
    kind, config = model.device.kind, model.module.config
    width = max(len(i.context) for i in items)
    cache = copied(prefix, config, len(items)) if prefix is not None else growing_cache(config)
    ids = torch.tensor([[0] * (width - len(i.context)) + list(i.context) for i in items], device=kind)
    real = torch.tensor(
        [[1] * shared + [0] * (width - len(i.context)) + [1] * len(i.context) for i in items], device=kind
    )
    positions = (real.cumsum(1) - 1).clamp_(min=0)[:, shared:]
    last_BH = read_on(model, ids, cache, real, positions)[:, -1]

    owner = torch.tensor([n for n, item in enumerate(items) for _ in item.choices], device=kind)
    choices = [c for item in items for c in item.choices]
    longest = max(len(c) for c in choices)
    select_rows(cache, owner)
    ids_BT = torch.tensor([list(c) + [0] * (longest - len(c)) for c in choices], device=kind)
    lengths = torch.tensor([len(c) for c in choices], device=kind)
    mask = torch.cat([real[owner], torch.ones_like(ids_BT)], dim=1)
    places = real[owner].sum(1, keepdim=True) + torch.arange(longest, device=kind)[None]
    hidden_BTH = last_BH[owner][:, None]
    if longest > 1:
        out = read_on(model, ids_BT, cache, mask, places)
        hidden_BTH = torch.cat([hidden_BTH, out[:, :-1]], dim=1)
    wanted = torch.arange(longest, device=kind)[None] < lengths[:, None]
    scores = torch.zeros(wanted.shape, device=kind)
    greedy = torch.ones(wanted.shape, dtype=torch.bool, device=kind)
    scores[wanted], greedy[wanted] = _token_logprobs(model, hidden_BTH[wanted], ids_BT[wanted])
    sums = iter(zip(scores.to(sums_in(scores)).sum(1).tolist(), greedy.all(1).tolist(), strict=True))
    return [[next(sums) for _ in item.choices] for item in items]


def _whole_scores(model: LanguageModel, items: list[ChoiceItem]) -> list[list[tuple[float, bool]]]:
    """As `_batch_scores` for a model whose cache is not understood: each context is read with each choice."""
    out = []
    for item in items:
        begin, values = len(item.context), []
        rows = [[*item.context, *choice] for choice in item.choices]
        ids = torch.tensor([[*r, *([0] * (max(map(len, rows)) - len(r)))] for r in rows], device=model.device.kind)
        hidden = model.body(input_ids=ids, use_cache=False)[0]
        for place, row in enumerate(rows):
            before = hidden[place, begin - 1 : len(row) - 1]
            scores, greedy = _token_logprobs(model, before, ids[place, begin : len(row)])
            values.append((float(scores.to(sums_in(scores)).sum()), bool(greedy.all())))
        out.append(values)
    return out


def _token_logprobs(
    model: LanguageModel, hidden_NH: torch.Tensor, targets_N: torch.Tensor, chunk: int = 1024
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each target's log-probability, and whether no other token is likelier."""
    parts, likeliest = [], []
    for i in range(0, len(targets_N), chunk):
        logits = model.head(hidden_NH[i : i + chunk])
        targets = logits.gather(1, targets_N[i : i + chunk, None])[:, 0]
        parts.append(targets - logits.logsumexp(1))
        likeliest.append(targets >= logits.max(1).values)
    return torch.cat(parts), torch.cat(likeliest)
