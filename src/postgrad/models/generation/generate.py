"""Generation: length-sorted prompts, their shared beginning computed once, finished rows leaving the batch.

Llama-shaped models on a CPU are computed by hand (`fused_decode`, `continuous`); all others by their own code, padded.

Shapes: B rows, T time, V vocabulary.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TypeAlias, cast
from weakref import WeakSet

import torch
from transformers.cache_utils import DynamicCache

from postgrad.models.fused.decoder import FusedDecoder, Room, SharedStates, decoder_of
from postgrad.models.generation import continuous
from postgrad.models.generation.decoding import (
    Choose,
    Completion,
    Decoding,
    DecodingRow,
    choose,
    completion_of,
    cut_at_stop,
    take,
)
from postgrad.models.generation.kv_cache import (
    copied,
    ends_of,
    growing_cache,
    keeps_all,
    keeps_right,
    read_on,
    reads_in_parts,
    select_rows,
)
from postgrad.models.generation.pace import Pace
from postgrad.models.language_model import LanguageModel

__all__ = [
    "Choose",
    "Completion",
    "Decoding",
    "DecodingRow",
    "beginning",
    "can_share",
    "choose",
    "complete",
    "completion_of",
    "cut_at_stop",
    "decode",
    "prefill",
    "read_in_parts",
    "remark",
    "shared_beginning",
]

Beginning: TypeAlias = DynamicCache | SharedStates
"""What is kept of the beginning that rows share: by the model's own code, or by the hand-written decoder."""
MIN_SHARED = 8  # a shorter shared beginning is not worth a forward pass of its own
ROOM_BYTES = 1 << 30
"""Keys and values take at most so much, unless a single row takes more."""
PADDED_ROWS = 32
"""Rows at once where the model's own code computes them."""
PACKED_PROMPTS, PACKED_TOKENS = 16, 24
"""From so many prompts with so many new tokens each on, laying the weights out anew takes less time than it saves."""
BEGUN_BYTES = 512 << 20
"""Beginnings that are kept for later prompts take at most so much, unless a single one takes more."""
_told: WeakSet[LanguageModel] = WeakSet()


def complete(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    decoding: Decoding,
    *,
    chooser: Callable[[], Choose] | None = None,
    max_rows: int = 64,
    token_budget: int = 16_384,
    stopped: Callable[[], bool] = lambda: False,
    begun: Begun | None = None,
) -> Iterator[tuple[int, Completion]]:
    """Answers prompts (token ids), yielding (index, completion) as rows finish; not in the order given.

    Args:
        chooser: Makes what takes the tokens of each answer; None where all are decoded alike.
        max_rows: At most so many rows are in work at once.
        token_budget: Bounds rows × (longest prompt + new tokens), hence memory, whatever the number of prompts.
        stopped: Asked between tokens; when true, the unfinished rows are left and the generator ends.
        begun: Beginnings that were read for earlier prompts of the same weights; None where none are kept.
    """
    if not prompts:
        return
    longest = max(map(len, prompts)) + decoding.max_new_tokens
    decoder = decoder_of(model)
    shared = shared_beginning(prompts) if can_share(model, longest) else 0
    prefix = begun.read(model, prompts[0][:shared]) if begun else beginning(model, prompts[0][:shared])
    rows = sorted(
        (
            DecodingRow(i, p[shared:], chooser and chooser(), _chance(p, decoding) if decoding.alone else None)
            for i, p in enumerate(prompts)
        ),
        key=lambda r: -len(r.suffix),
    )
    if decoder is not None:
        if len(prompts) >= PACKED_PROMPTS and decoding.max_new_tokens >= PACKED_TOKENS:
            decoder.pack()
        budget = min(token_budget, ROOM_BYTES // decoder.token_bytes)
        most = max(1, min(max_rows, len(rows), budget // continuous.places(rows, decoding)))
        batches = [decode(model, rows, prefix, shared, decoding, most, decoder)]
    else:
        parts = _batches(rows, shared, decoding.max_new_tokens, min(max_rows, PADDED_ROWS), token_budget)
        batches = (decode(model, batch, prefix, shared, decoding) for batch in parts)
    for batch in batches:
        for done in batch:
            for row in done:
                yield row.index, completion_of(model, row, shared, decoding)
            if stopped():
                return


def _chance(prompt: Sequence[int], decoding: Decoding) -> torch.Generator:
    """What draws the tokens of an answer to that prompt alone."""
    digest = hashlib.sha256(f"{decoding.seed} {','.join(map(str, prompt))}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


class Begun:
    """The beginnings that a model has read last, for prompts that are asked in several goes. They belong to its weights
    at that time: whoever keeps them answers for that."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], Beginning] = OrderedDict()

    def read(self, model: LanguageModel, ids: Sequence[int]) -> Beginning | None:
        """As `beginning`, from memory where it has been read before."""
        decoder = decoder_of(model)
        if decoder is None:  # the cache of a model's own code is used up by those that read on
            return beginning(model, ids)
        key = tuple(ids)
        if key not in self._kept and (found := beginning(model, ids)) is not None:
            self._kept[key] = found
            while sum(map(len, self._kept)) * decoder.token_bytes > BEGUN_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
        if key in self._kept:
            self._kept.move_to_end(key)
        return self._kept.get(key)


def remark(model: LanguageModel) -> str | None:
    """What to tell, once a model, of how it generates: on a CPU, that it does so by its own slower code; else None."""
    if model in _told or model.device.kind != "cpu" or decoder_of(model) is not None:
        return None
    _told.add(model)
    if not keeps_right(model):
        return (
            f"{model.name} reads everything again for every token, which is slow: what its own code keeps of past"
            " tokens is not understood here, or not right."
        )
    return (
        f"{model.name} generates with its own code, which is slower: the hand-written layers support Llama-like models"
        " only."
    )


def can_share(model: LanguageModel, tokens: int) -> bool:
    """Whether rows of so many tokens may have what is kept of a beginning once for all: recurrent states and windows
    that are used up cannot be handed on."""
    return decoder_of(model) is not None or (keeps_all(model.module.config, tokens) and keeps_right(model))


def beginning(model: LanguageModel, ids: Sequence[int]) -> Beginning | None:
    """What `decode` needs of the beginning that its rows share; None of an empty one."""
    if not ids:
        return None
    with torch.inference_mode():
        decoder = decoder_of(model)
        return prefill(model, ids) if decoder is None else decoder.begin(ids)


def read_in_parts(
    model: LanguageModel, ids: Sequence[int], pace: Pace
) -> Generator[tuple[()], None, tuple[Beginning | None, int]]:
    """The beginning of a prompt, as `decode` needs it, and how many tokens it has; all but the last one, where that can
    be read in parts, else none. Yields between the parts, so that other answers can have a turn.

    Args:
        pace: Says how long a part is.
    """
    decoder = decoder_of(model)
    if len(ids) <= pace.tokens() or (decoder is None and not reads_in_parts(model)):
        return None, 0
    room = Room(decoder, 1, len(ids) - 1) if decoder is not None else None
    cache, read = growing_cache(model.module.config), 0
    while read < len(ids) - 1:
        start, part = time.perf_counter(), ids[read : min(read + pace.tokens(), len(ids) - 1)]
        with torch.inference_mode():
            if decoder is not None and room is not None:
                decoder.prefill([part], [(room, 0)])
            else:
                read_on(model, torch.tensor([list(part)], device=model.device.kind), cache)
        read += len(part)
        pace.took(len(part), time.perf_counter() - start)
        yield ()
    return (cache if room is None else (room.keys, room.values)), read


def decode(
    model: LanguageModel,
    rows: list[DecodingRow],
    prefix: Beginning | None,
    shared: int,
    decoding: Decoding,
    most: int | None = None,
    decoder: FusedDecoder | None = None,
    last: bool = False,
) -> Iterator[list[DecodingRow]]:
    """Generates for the rows in place, yielding after every token the rows that it ended.

    Each step may run in another thread than the last.

    Args:
        prefix: What `beginning` gave for the `shared` tokens that come before every row's suffix.
        most: So many rows at once at most, where the model is computed by hand; None for all.
        decoder: Computes it by hand; None: a new one, where the model has that shape.
        last: Nobody reads on from the prefix afterwards: one row alone grows in it, without a copy.
    """
    decoder = decoder or decoder_of(model)
    if decoder is not None:
        return continuous.run(model, decoder, rows, cast("SharedStates | None", prefix), decoding, most or len(rows))
    return _padded(model, rows, cast("DynamicCache | None", prefix), shared, decoding, last)


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


def prefill(model: LanguageModel, ids: Sequence[int]) -> DynamicCache:
    """A one-row cache of a beginning."""
    cache = growing_cache(model.module.config)
    read_on(model, torch.tensor([list(ids)], device=model.device.kind), cache)
    return cache


def _batches(rows: list[DecodingRow], shared: int, new: int, max_rows: int, budget: int) -> Iterator[list[DecodingRow]]:
    batch: list[DecodingRow] = []
    for row in rows:
        widest = shared + len(batch[0].suffix) + new if batch else 0
        if batch and (len(batch) >= max_rows or widest * (len(batch) + 1) > budget):
            yield batch
            batch = []
        batch.append(row)
    yield batch


@torch.inference_mode()
def _padded(
    model: LanguageModel,
    rows: list[DecodingRow],
    prefix: DynamicCache | None,
    shared: int,
    decoding: Decoding,
    last: bool = False,
) -> Iterator[list[DecodingRow]]:
    """`decode` by the model's own code, one padded row a prompt."""
    if prefix is None and not keeps_right(model):
        yield from _uncached(model, rows, decoding)
        return
    kind, config = model.device.kind, model.module.config
    width = max(len(r.suffix) for r in rows)
    if prefix is not None and last and len(rows) == 1:
        cache = prefix
    else:
        cache = copied(prefix, config, len(rows)) if prefix is not None else growing_cache(config)
    pad = next(iter(model.renderer.end_ids))
    ids_BT = torch.tensor([[pad] * (width - len(r.suffix)) + list(r.suffix) for r in rows], device=kind)
    real = torch.tensor([[0] * (width - len(r.suffix)) + [1] * len(r.suffix) for r in rows], device=kind)
    mask_BT = torch.cat([torch.ones(len(rows), shared, dtype=torch.long, device=kind), real], dim=1)
    padded = bool((mask_BT == 0).any())
    active = list(rows)
    generator = torch.Generator().manual_seed(decoding.seed)
    while active:
        start = time.perf_counter()
        positions = (mask_BT.cumsum(1) - 1).clamp_(min=0)[:, -ids_BT.shape[1] :]
        hidden_BTH = read_on(model, ids_BT, cache, mask_BT if padded else None, positions)
        chosen_B = take(model, active, model.head(hidden_BTH[:, -1]), decoding, generator)
        share = (time.perf_counter() - start) / len(active)
        for row in active:
            row.seconds += share
        yield [row for row in active if row.finish]
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


def _uncached(model: LanguageModel, rows: list[DecodingRow], decoding: Decoding) -> Iterator[list[DecodingRow]]:
    """`decode` for a model whose cache is not understood: everything is read again for every token."""
    active, generator = list(rows), torch.Generator().manual_seed(decoding.seed)
    while active:
        start = time.perf_counter()
        hidden_BH = ends_of(model, [[*r.suffix, *r.ids] for r in active])
        take(model, active, model.head(hidden_BH), decoding, generator)
        share = (time.perf_counter() - start) / len(active)
        for row in active:
            row.seconds += share
        yield [row for row in active if row.finish]
        active = [row for row in active if not row.finish]
