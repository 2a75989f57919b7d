"""The body of a Llama-shaped decoder for generation, by hand: no padding, no masks on prompts, no copies of the cache.

Prompts lie end to end in one row. The keys and values of the rows in work stand in a `Room`, or in several for rows of
different lengths; those of the beginning that all prompts share stand once, and attention to it is one product for all
rows, joined to each row's own by the log-sum-exp (https://arxiv.org/abs/2402.05099). A prompt may be read in parts.
Weights are read through the model's own modules at each use, so swapped weights and attached adapters are seen, and
each row may have a low-rank adapter of its own besides (`low_rank`). `decoder_of` checks the numbers against the
model's own code before the first use.

Shapes: N tokens, B rows, H hidden, K key heads, G query heads a key head, D head size, S places, L layers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch.nn import functional

from postgrad.models.device import room_for
from postgrad.models.fused.body import llama_shaped
from postgrad.models.fused.low_rank import LowRank, Mix, mixed
from postgrad.models.fused.parts import Norm, Projections, can_pack
from postgrad.models.fused.stacked import Stack, StackedMix
from postgrad.models.language_model import LanguageModel

BLOCK = 256
"""Tokens of the MLP that are worked through at once, so that they stay in the processor's cache."""
PACKING_ROOM = 3
"""Weights are packed where the machine has memory for so many times them."""
ROTATIONS = ("default", "linear", "llama3", "yarn")
"""Kinds of rotary positions whose angles do not hang on the length of what is read."""
_flash: Any = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_checked: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


SharedStates: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""Keys and values (L, 1, K, S, D) of a beginning that prompts share, or (L, K, T, D) of a row."""


class Room:
    """Keys and values of past tokens: of the shared beginning, and of up to `rows` rows of up to `places` tokens each.

    Memory that no token has been written to is not taken from the machine.
    """

    def __init__(self, decoder: FusedDecoder, rows: int, places: int) -> None:
        layers, like = decoder.layers, decoder.like
        shape = len(layers), rows, layers[0].key_heads, places, layers[0].size
        self.keys, self.values = _zeros(shape, like.dtype), _zeros(shape, like.dtype)
        self.shared: SharedStates | None = None
        self.lengths = [0] * rows

    @property
    def places(self) -> int:
        """Tokens that a row has room for."""
        return self.keys.shape[3]

    @property
    def begun(self) -> int:
        """Tokens of the shared beginning."""
        return 0 if self.shared is None else self.shared[0].shape[3]

    def move(self, source: int, target: int) -> None:
        """Puts a row in the place of another, which has ended."""
        self.take(target, self.row(source))

    def row(self, place: int) -> SharedStates:
        """Keys and values (L, K, T, D) of a row's T tokens, not copied."""
        length = self.lengths[place]
        return self.keys[:, place, :, :length], self.values[:, place, :, :length]

    def take(self, place: int, states: SharedStates) -> None:
        """Copies the keys and values (L, K, T, D) of T tokens to the beginning of a row, which has no others then."""
        length = self.lengths[place] = states[0].shape[2]
        self.keys[:, place, :, :length], self.values[:, place, :, :length] = states


def _zeros(shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Zeros whose pages come into being when they are written to; torch's own write them all at once."""
    count = math.prod(shape) * dtype.itemsize
    return torch.from_numpy(np.zeros(count, np.uint8)).view(dtype).view(shape)


Seat: TypeAlias = tuple[Room, int]
"""A row of a room."""
Rows: TypeAlias = tuple[Room, int]
"""The first rows of a room, so many."""


class _Layer:
    """One decoder layer over the modules of the model; it owns no weights."""

    def __init__(self, module: Any) -> None:
        attention, mlp = module.self_attn, module.mlp
        self.qkv = Projections([attention.q_proj, attention.k_proj, attention.v_proj])
        self.out = Projections([attention.o_proj])
        self.gate_up = Projections([mlp.gate_proj, mlp.up_proj])
        self.down = Projections([mlp.down_proj])
        self.first, self.second = Norm(module.input_layernorm), Norm(module.post_attention_layernorm)
        self.head_norms = [Norm(attention.q_norm), Norm(attention.k_norm)] if hasattr(attention, "q_norm") else []
        self.size, self.scale = int(attention.head_dim), float(attention.scaling)
        self.heads, self.key_heads = self.qkv.widths[0] // self.size, self.qkv.widths[1] // self.size
        self.groups = self.heads // self.key_heads

    def project(
        self, x_NH: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, mix: Mix | StackedMix | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Rotated queries (N, K, G, D) and keys (N, K, D), and values (N, K, D)."""
        qkv = self._product(self.qkv, self.first.forward(x_NH)[0], mix)
        heads = qkv.view(len(qkv), -1, self.size)
        for norm, part in zip(
            self.head_norms, heads.split([self.heads, self.key_heads, self.key_heads], 1), strict=False
        ):
            part.copy_(norm.forward(part.reshape(-1, self.size))[0].view(part.shape))
        halves = heads[:, : self.heads + self.key_heads].unflatten(2, (2, -1))
        a, b = halves[:, :, 0], halves[:, :, 1]
        turned = a * sin
        a.mul_(cos).addcmul_(b, sin, value=-1)
        b.mul_(cos).add_(turned)
        return (
            heads[:, : self.heads].unflatten(1, (self.key_heads, self.groups)),
            heads[:, self.heads : -self.key_heads],
            heads[:, -self.key_heads :],
        )

    def finish(
        self, attended_NH: torch.Tensor, x_NH: torch.Tensor, mix: Mix | StackedMix | None = None
    ) -> torch.Tensor:
        """From the attention's output and the layer's input to the layer's output."""
        middle = self._product(self.out, attended_NH, mix)
        middle += x_NH
        parts = []
        for begin in range(0, len(middle), BLOCK):
            part = middle[begin : begin + BLOCK]
            own = mix.part(begin, begin + len(part)) if mix and len(part) < len(middle) else mix
            both = self._product(self.gate_up, self.second.forward(part)[0], own)
            gate, up = both.split(self.gate_up.widths, 1)
            parts.append(self._product(self.down, functional.silu(gate).mul_(up), own))
        return (torch.cat(parts) if len(parts) > 1 else parts[0]).add_(middle)

    def _product(self, layers: Projections, x_NI: torch.Tensor, mix: Mix | StackedMix | None) -> torch.Tensor:
        """Linear layers that share an input, side by side, with what the rows' own adapters add to them."""
        whole = layers.product(x_NI)
        if mix is not None:
            mix.add(layers.bases[0], x_NI, whole.split(layers.widths, 1))
        return whole

    def attend(
        self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool = False, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention of (rows, heads, T, D) and its log-sum-exps."""
        return _flash(q, k, v, 0.0, causal, attn_mask=mask, scale=self.scale)


def _joined(own: SharedStates, other: SharedStates) -> SharedStates:
    """Attention to two sets of places and its log-sum-exps, from those of each."""
    share = torch.sigmoid(own[1] - other[1])[..., None]
    value = torch.lerp(other[0].float(), own[0].float(), share).to(own[0].dtype)
    return value, torch.logaddexp(own[1], other[1])


class _Span:
    """The rows of one room in a step: which of the step's rows they are, where each one's token goes, and what each may
    attend to."""

    def __init__(self, room: Room, begin: int, count: int, like: torch.Tensor, groups: int) -> None:
        self.room, self.begin, self.count = room, begin, count
        lengths = room.lengths[:count]
        self.places, self.rows, self.width = torch.tensor(lengths), torch.arange(count), max(lengths) + 1
        self.mask: torch.Tensor | None = None
        if min(lengths) + 1 < self.width:
            late = torch.arange(self.width) > self.places[:, None, None, None]
            mask = like.new_zeros(count, 1, 1, self.width).masked_fill_(late, -torch.inf)
            self.mask = mask.expand(-1, -1, groups, -1)


class FusedDecoder:
    """The body of a model; it owns no weights.

    Args:
        model: A language model of the shape that `decoder_of` accepts.
    """

    def __init__(self, model: Any) -> None:
        self.body = model.body
        self.embed = model.module.get_input_embeddings()
        self.like: torch.Tensor = self.embed.weight
        self.layers = [_Layer(m) for m in self.body.layers]
        self._model, self._head = model, Projections([model.module.get_output_embeddings()])
        self._stack = Stack()
        self._angles(64)

    @property
    def token_bytes(self) -> int:
        """Bytes that one token's keys and values take."""
        layer = self.layers[0]
        return 2 * len(self.layers) * layer.key_heads * layer.size * self.like.element_size()

    def pack(self) -> bool:
        """Lays the weights out a second time for generation, where there is memory for it; says whether it did. They
        must not change as long as this decoder is used."""
        if not can_pack(self.like):
            return False
        weights = sum(base.weight.numel() for group in (*self.groups, self._head) for base in group.bases)
        if PACKING_ROOM * weights * self.like.element_size() > room_for("cpu"):
            return False
        for group in (*self.groups, self._head):
            group.pack()
        return True

    def logits(self, hidden_BH: torch.Tensor) -> torch.Tensor:
        """(B, V), float32, with the model's own scaling."""
        return self._model.scaled(self._head.product(hidden_BH))

    @property
    def groups(self) -> list[Projections]:
        """The linear layers, those together that share an input."""
        return [group for layer in self.layers for group in (layer.qkv, layer.out, layer.gate_up, layer.down)]

    def begin(self, ids: Sequence[int]) -> SharedStates:
        """What is kept of a beginning that prompts share."""
        room = Room(self, 1, len(ids))
        self.prefill([ids], [(room, 0)])
        return room.keys, room.values

    def prefill(
        self, prompts: Sequence[Sequence[int]], seats: Sequence[Seat], adapters: Sequence[LowRank | None] = ()
    ) -> torch.Tensor:
        """Reads prompts, or their next parts, into their rows, behind what stands there; gives the normed hidden state
        (B, H) of each one's last token.

        Args:
            seats: (room, row) of each. A room with a shared beginning holds all of them.
            adapters: Of each; empty for none.
        """
        begun, before = seats[0][0].begun, [room.lengths[row] for room, row in seats]
        ends = torch.tensor([len(p) for p in prompts]).cumsum(0).tolist()
        parts = list(zip([0, *ends[:-1]], ends, seats, before, strict=True))
        places = [begun + done + i for p, done in zip(prompts, before, strict=True) for i in range(len(p))]
        cos, sin = self._at(torch.tensor(places))
        x = self.embed(torch.tensor([t for p in prompts for t in p]))
        last = torch.tensor(ends) - 1
        mix, final = mixed(adapters, [len(p) for p in prompts]), mixed(adapters)
        for index, layer in enumerate(self.layers):
            q, k, v = layer.project(x, cos, sin, mix)
            q = q.permute(1, 2, 0, 3)
            attended = x.new_empty(len(x), layer.key_heads, layer.groups, layer.size)
            other = layer.attend(q, *self._beginning(seats[0][0], index, layer)) if begun else None
            for begin, end, (room, row), done in parts:
                keys, values = k[begin:end].transpose(0, 1), v[begin:end].transpose(0, 1)
                room.keys[index, row, :, done : done + end - begin] = keys
                room.values[index, row, :, done : done + end - begin] = values
                wide, part = (layer.key_heads, layer.groups, -1, layer.size), q[:, :, begin:end]
                found = layer.attend(part, keys[:, None].expand(wide), values[:, None].expand(wide), True)
                if done:
                    k_past, v_past = (t[index, row, :, None, :done].expand(wide) for t in (room.keys, room.values))
                    found = _joined(found, layer.attend(part, k_past, v_past))
                if other is not None:
                    found = _joined(found, (other[0][:, :, begin:end], other[1][:, :, begin:end]))
                attended[begin:end] = found[0].permute(2, 0, 1, 3)
            attended, own = attended.flatten(1), mix
            if layer is self.layers[-1]:
                attended, x, own = attended[last], x[last], final
            x = layer.finish(attended, x, own)
        for prompt, (room, row), done in zip(prompts, seats, before, strict=True):
            room.lengths[row] = done + len(prompt)
        return self.body.norm(x)

    def step(
        self, tokens: torch.Tensor, rooms: Sequence[Rows], adapters: Sequence[LowRank | None] = ()
    ) -> torch.Tensor:
        """Reads one more token (B,) into each of the first rows of the rooms; gives the normed hidden states (B, H).

        Args:
            rooms: (room, number of rows), B rows in all, in the order of the tokens.
            adapters: Of each row; empty for none.
        """
        spans, at = [], 0
        for room, count in rooms:
            spans.append(_Span(room, at, count, self.like, self.layers[0].groups))
            at += count
        cos, sin = self._at(torch.cat([s.places + s.room.begun for s in spans]))
        x, mix = self.embed(tokens), self._stack.mix(adapters)
        for index, layer in enumerate(self.layers):
            q, k, v = layer.project(x, cos, sin, mix)
            parts = [self._attended(s, index, layer, q, k, v) for s in spans]
            attended = torch.cat(parts) if len(parts) > 1 else parts[0]
            x = layer.finish(attended.reshape(len(tokens), -1), x, mix)
        for span in spans:
            span.room.lengths[: span.count] = [n + 1 for n in span.room.lengths[: span.count]]
        return self.body.norm(x)

    def _attended(
        self, span: _Span, index: int, layer: _Layer, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor
    ) -> torch.Tensor:
        """Attention (rows, K, G, D) of a room's rows to what stands in it, with the new token written down first."""
        room, mine = span.room, slice(span.begin, span.begin + span.count)
        q = q[mine]
        keys, values = room.keys[index, : span.count], room.values[index, : span.count]
        keys[span.rows, :, span.places], values[span.rows, :, span.places] = k[mine], v[mine]
        own = layer.attend(q, keys[:, :, : span.width], values[:, :, : span.width], mask=span.mask)
        if not room.begun:
            return own[0]
        other = layer.attend(q.permute(1, 2, 0, 3), *self._beginning(room, index, layer))
        return _joined(own, (other[0].permute(2, 0, 1, 3), other[1].permute(2, 0, 1)))[0]

    def _beginning(self, room: Room, index: int, layer: _Layer) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of the shared beginning in a layer, for every query head: (K, G, S, D), not copied."""
        keys, values = room.shared or (room.keys[:, :1, :, :0], room.values[:, :1, :, :0])
        return tuple(t[index, 0][:, None].expand(-1, layer.groups, -1, -1) for t in (keys, values))  # pyright: ignore[reportReturnType]

    def _at(self, positions_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Angles (N, 1, D/2) of the rotation."""
        if (needed := int(positions_N.max()) + 1) > len(self._cos):
            self._angles(2 * needed)
        return self._cos[positions_N], self._sin[positions_N]

    def _angles(self, count: int) -> None:
        cos, sin = self.body.rotary_emb(self.like[None, :1], position_ids=torch.arange(count)[None])
        half = cos.shape[-1] // 2
        self._cos, self._sin = (t[0, :, None, :half].contiguous() for t in (cos, sin))


def decoder_of(model: LanguageModel) -> FusedDecoder | None:
    """The hand-written decoder of a language model, or None where it has another shape or gives other numbers."""
    body = model.body
    rotary = getattr(body, "rotary_emb", None)
    if not llama_shaped(body, head_norms=True) or getattr(rotary, "rope_type", "") not in ROTATIONS:
        return None
    decoder = FusedDecoder(model)
    if body not in _checked:
        _checked[body] = _agrees(decoder, model)
    return decoder if _checked[body] else None


@torch.inference_mode()
def _agrees(decoder: FusedDecoder, model: LanguageModel) -> bool:
    """Whether beginning, prompts and steps give the hidden states of the model's own code."""
    if 2 * decoder._cos.shape[-1] != decoder.layers[0].size:
        return False
    ids = torch.arange(3, 43) % len(decoder.like)
    room = Room(decoder, 2, 24)
    room.shared = decoder.begin(ids[:12].tolist())
    decoder.prefill([ids[12:29].tolist(), ids[12:20].tolist()], [(room, 0), (room, 1)])
    ours = decoder.step(torch.stack([ids[29], ids[20]]), [(room, 2)])
    theirs = torch.stack([model.body(input_ids=ids[None, :n], use_cache=False)[0][0, -1] for n in (30, 21)])
    rounding = 1e-4 if ours.dtype == torch.float32 else 3e-2
    return bool((ours - theirs).abs().max() <= rounding * theirs.abs().max())
