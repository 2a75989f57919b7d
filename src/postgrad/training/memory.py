"""What a training needs, known beforehand: parameters, operations, bytes. Pure arithmetic on a model's config; no
torch.

Shapes: a decoder of L layers with hidden size H, inner size F, vocabulary V, query width Q and key/value width K; N
tokens in a microbatch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from postgrad.errors import TrainingError, UsageError
from postgrad.json_types import JsonMapping

PROCESS = 480_000_000
"""The interpreter with torch, transformers and a tokenizer; measured."""
CHECKED = 320_000_000
"""What reading and checking data leave in the process beside it; measured."""
ANSWERED = 16_384
"""Tokens that are held at most while answers are generated together."""
_UNEVEN = 1.2
"""By so much a process that trains and answers in turn exceeds what is alive in it; measured."""
HEAD_CHUNK = 512
BLOCK = 1024


@dataclass(frozen=True)
class Sizes:
    """Counts that follow from a config.

    Attributes:
        layers: L.
        queries: Q.
        cached: Values of one token in the cache of a generation.
        body: Parameters of the linear layers, all experts among them.
        active: Of those, what one token is multiplied with.
        head: Parameters of the output head.
        embedding: Parameters of the embedding where it is a matrix of its own.
        adapter: Parameters of LoRA on all linear layers.
        saved: Values that a layer keeps for the backward pass, for each token.
        passing: Values that are alive in the middle of a layer's backward pass, for each token.
        inner: The same for each token of a block of the MLP.
    """

    layers: int
    hidden: int
    queries: int
    cached: int
    vocabulary: int
    body: int
    active: int
    head: int
    embedding: int
    adapter: int
    saved: int
    passing: int
    inner: int


@dataclass(frozen=True)
class Need:
    """What decides the memory of a training.

    Attributes:
        config: The model's `config.json`.
        method: A key of `METHODS`.
        longest: Tokens of the longest example.
        tokens: Tokens of the largest microbatch.
        dtype: `float32` or `bfloat16`.
        recompute: Whether layers are computed again in the backward pass.
        embeddings: Whether embeddings are trained too.
        sampled: Tokens in the cache while answers are sampled during the training; 0 where none are.
        packed: Whether weights stand in memory a second time, packed for the processor's bfloat16 units.
        beside: Bytes of another model that is in memory meanwhile (one that grades answers, or teaches).
    """

    config: JsonMapping
    method: str = "lora"
    rank: int = 16
    longest: int = 512
    tokens: int = 2048
    dtype: str = "float32"
    recompute: bool = False
    embeddings: bool = False
    optimizer: str = "adamw"
    sampled: int = 0
    packed: bool = False
    beside: int = 0


def packs(kind: str, dtype: str) -> bool:
    """Whether a device of this kind keeps weights of this type packed beside the plain ones; see `Need.packed`."""
    return kind == "cpu" and dtype == "bfloat16"


def predictable(config: JsonMapping) -> bool:
    """Whether a config names the sizes of a Llama-shaped decoder."""
    c = config.get("text_config", config)
    return all(name in c for name in ("num_hidden_layers", "hidden_size", "vocab_size", "num_attention_heads"))


def sizes(config: JsonMapping, rank: int) -> Sizes:
    """Sizes of a Llama-shaped decoder with LoRA of this rank (0 for none).

    Raises:
        UsageError: the config names its sizes in another way.
    """
    if not predictable(config):
        raise UsageError("What this base model needs cannot be predicted: its config.json names no Llama-shaped sizes.")
    c = config.get("text_config", config)
    layers, hidden = int(c["num_hidden_layers"]), int(c["hidden_size"])
    inner, vocabulary = int(c.get("intermediate_size") or 4 * hidden), int(c["vocab_size"])
    heads = int(c["num_attention_heads"])
    head_size = int(c.get("head_dim") or hidden // heads)
    q, kv = heads * head_size, int(c.get("num_key_value_heads") or heads) * head_size
    attention, mlp = [(hidden, q), (hidden, kv), (hidden, kv), (q, hidden)], [(hidden, inner)] * 2 + [(inner, hidden)]
    mixture = _experts(c, layers, inner)
    dense = layers - mixture.layers
    body = layers * _size(attention) + dense * _size(mlp) + mixture.layers * mixture.width * 3 * hidden
    used = max(inner if dense else 0, mixture.used)
    adapted = [*attention, *([] if mixture.layers else mlp)]  # experts stay as they are
    head = hidden * vocabulary
    return Sizes(
        layers,
        hidden,
        q,
        2 * layers * kv,
        vocabulary,
        body=body,
        active=body - mixture.layers * (mixture.width - mixture.used) * 3 * hidden,
        head=head,
        embedding=0 if c.get("tie_word_embeddings", config.get("tie_word_embeddings", True)) else head,
        adapter=layers * rank * sum(a + b for a, b in adapted),
        saved=2 * hidden + 2 * q + 2 * kv + 2 * used + 7 * rank + heads,
        passing=5 * hidden + 9 * q + 2 * kv,
        inner=5 * used + 3 * hidden,
    )


@dataclass(frozen=True)
class _Experts:
    """Mixtures of experts in a model: in how many layers, the inner size of all experts of one together, and of those
    that a token uses."""

    layers: int = 0
    width: int = 0
    used: int = 0


def _experts(c: JsonMapping, layers: int, inner: int) -> _Experts:
    """From a config, whose families name these sizes differently."""
    count = int(_first(c, "num_local_experts", "n_routed_experts", "num_experts", "moe_num_experts") or 0)
    if count < 2:
        return _Experts()
    size = int(_first(c, "moe_intermediate_size") or inner)
    shared = int(c.get("shared_expert_intermediate_size") or c.get("shared_intermediate_size") or 0)
    shared = shared or size * int(_first(c, "n_shared_experts", "num_shared_experts", "moe_num_shared_experts") or 0)
    chosen = int(_first(c, "num_experts_per_tok", "num_experts_per_token", "moe_k") or 1)
    every = int(c.get("decoder_sparse_step") or c.get("interleave_moe_layer_step") or 1)
    first = int(c.get("first_k_dense_replace") or 0)
    dense = set(c.get("mlp_only_layers") or ())
    mixed = sum(i >= first and (i + 1) % every == 0 and i not in dense for i in range(layers))
    return _Experts(mixed, count * size + shared, chosen * size + shared)


def _first(c: JsonMapping, *names: str) -> float | None:
    return next((c[name] for name in names if c.get(name)), None)


def _size(shapes: Sequence[tuple[int, int]]) -> int:
    return sum(a * b for a, b in shapes)


def peak_bytes(need: Need) -> int:
    """Peak resident memory of the process (on a GPU: of its tensors and the process's share) while it trains."""
    lora = need.method != "full"
    s = sizes(need.config, need.rank if lora else 0)
    value = 2 if need.dtype == "bfloat16" else 4
    weights = (s.body + s.head + s.embedding) * value
    if need.method == "qlora":
        weights += s.body - s.body * value + max(s.body // s.layers, 1) * value
    weights *= 2 if need.packed else 1
    trained = s.adapter if lora else s.body + (s.head + s.embedding if need.embeddings else 0)
    moments = 0.5 if need.optimizer == "adamw8bit" else 1.0 if need.optimizer == "muon" else 2.0
    kept = trained * 4 * moments + trained * (4 if lora else value)  # moments, best
    gradients = trained * (4 if lora or value == 4 else 2)
    if not lora and value == 2:
        kept += trained * 8  # float32 copies of the weights and of the gradients
    if lora:
        kept += trained * 4  # the adapter itself; whole weights are counted above
    layers = s.layers * need.tokens * (s.hidden if need.recompute else s.saved) * value
    if need.recompute:
        layers += need.tokens * s.saved * value
    passing = (need.tokens * s.passing + min(need.tokens, BLOCK) * s.inner) * value
    chunk = min(need.tokens, HEAD_CHUNK)
    logits = chunk * s.vocabulary * (8 if value == 4 else 12)
    head_gradient = s.head * 4 if need.embeddings and not lora else 0
    # what layers keep is given up in the backward pass as fast as gradients come
    training = max(layers, gradients) + max(passing, logits + head_gradient)
    sampling = need.sampled * s.cached * value * 1.5  # the buffers grow by a quarter, and are copied then
    alive = max(weights + kept + max(training, sampling), _loading(need.config, s, value))
    return int(PROCESS + need.beside + alive)


def answering_bytes(need: Need) -> int:
    """Peak of a process that also answers test examples with the model, in batches; see `peak_bytes`."""
    s = sizes(need.config, need.rank)
    value = 2 if need.dtype == "bfloat16" else 4
    weights = (s.body + s.head + s.embedding) * value * (2 if need.packed else 1)
    held = ANSWERED * (s.cached * value * 1.5 + s.passing * value)
    return int((PROCESS + weights + 4 * s.adapter * 4 + held) * _UNEVEN)


def model_bytes(config: JsonMapping, dtype: str, packed: bool = False) -> int:
    """A model that only computes: its weights; 0 where its config does not tell. See `Need`."""
    if not predictable(config):
        return 0
    s = sizes(config, 0)
    return (s.body + s.head + s.embedding) * (2 if dtype == "bfloat16" else 4) * (2 if packed else 1)


def reading_bytes(config: JsonMapping, dtype: str, tokens: int) -> int:
    """A pass without gradient over so many tokens: what is alive in a layer, and logits of a chunk."""
    if not predictable(config):
        return 0
    s, value = sizes(config, 0), 2 if dtype == "bfloat16" else 4
    layer = (tokens * s.passing + min(tokens, BLOCK) * s.inner) * value
    return layer + min(tokens, HEAD_CHUNK) * s.vocabulary * 8


def _loading(config: JsonMapping, s: Sizes, value: int) -> int:
    """While weights are read that lie on disk in more bits than they are computed in, both are there."""
    stored = 4 if str(config.get("dtype") or config.get("torch_dtype")) == "float32" else 2
    return (s.body + s.head + s.embedding) * (stored + value) if stored > value else 0


def fitting(need: Need, room: int) -> Iterator[tuple[str, Need]]:
    """Settings that fit into so many bytes, gentlest first: (how to say it, the need then)."""
    single = max(need.longest, 64)
    smaller = replace(need, tokens=min(need.tokens, single))
    budget = f"training.token_budget: {single}"
    candidates = [(budget, smaller), ("training.recompute: true", replace(need, recompute=True))]
    candidates.append((f"training.recompute: true and {budget}", replace(smaller, recompute=True)))
    for method in ("lora", "qlora"):
        if need.method not in (method, "qlora"):
            candidates.append((f"training.method: {method}", replace(need, method=method)))
            candidates.append(
                (
                    f"training.method: {method}, training.recompute: true and {budget}",
                    replace(smaller, recompute=True, method=method),
                )
            )
    return ((said, changed) for said, changed in candidates if peak_bytes(changed) <= room)


def refuse_what_cannot_fit(need: Need, room: int) -> None:
    """Raises TrainingError when a training needs more than `room` bytes, with the settings that would fit."""
    wanted = peak_bytes(need)
    if wanted <= room:
        return
    ways = [f"{said} ({peak_bytes(changed) / 1e9:.1f} GB)" for said, changed in fitting(need, room)][:3]
    raise TrainingError(
        f"This training needs about {wanted / 1e9:.1f} GB, and {room / 1e9:.1f} GB are free.",
        (
            f"These fit: {'; '.join(ways)}."
            if ways
            else "No setting fits: take a smaller base, shorten training.max_length, or use a larger machine."
        ),
    )


def training_flops(
    config: JsonMapping, lengths: Sequence[int], supervised: int, method: str = "lora", rank: int = 16
) -> float:
    """Operations that one pass over examples of these lengths needs, forward and backward.

    Frozen weights need no gradient of their own; the head is needed at supervised positions alone; causal attention
    looks at half of each example's square.
    """
    s = sizes(config, rank if method != "full" else 0)
    each = 6.0 if method == "full" else 4.0
    attention = 7.0 * s.layers * s.queries * sum(n * n for n in lengths)
    return (each * s.active + 6.0 * s.adapter) * sum(lengths) + 4.0 * s.head * supervised + attention
