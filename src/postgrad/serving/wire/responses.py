"""Parts of answers that chat and completions write alike: usage, log-probabilities, confidence."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from postgrad.json_types import JsonObject
from postgrad.models.generation.generate import Completion
from postgrad.models.generation.grammar import Vocabulary
from postgrad.models.generation.logits import Token
from postgrad.serving.inference.prepared import Served

LEAST = -9999.0
"""OpenAI's figure for a probability of nothing; JSON has no infinity."""


def usage(completions: Sequence[Completion], prompts: int | None = None, cached: int | None = None) -> JsonObject:
    """Tokens of prompt and answers; the prompt counts once however many answers it has.

    Args:
        completions: All answers.
        prompts: Tokens of the prompts where there are several.
        cached: Those of them that had been read for earlier requests.
    """
    if cached is None:
        cached = min((c.recalled for c in completions), default=0)
    prompt = prompts if prompts is not None else completions[0].prompt_tokens
    new = sum(c.completion_tokens for c in completions)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": new,
        "total_tokens": prompt + new,
        "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(c.thought_tokens for c in completions),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def confidence(completion: Completion) -> float:
    """Geometric mean of the probabilities of the answer's tokens, end mark included: from 0 to 1."""
    return math.exp(completion.logprob / max(1, completion.completion_tokens))


def fingerprint(served: Served) -> str:
    """Changes when what computes the answers changes."""
    return "fp_" + hashlib.sha256(f"{served.base} {served.blob}".encode()).hexdigest()[:10]


def token_text(raw: bytes) -> str:
    """A token as OpenAI shows it: text, or the bytes of a part of a character."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)


def finite(logprob: float) -> float:
    """A log-probability that JSON can hold."""
    return logprob if logprob > LEAST else LEAST


def chat_logprobs(vocabulary: Vocabulary, tokens: Sequence[Token]) -> JsonObject:
    """`logprobs` of a chat choice."""

    def view(token: int, logprob: float) -> JsonObject:
        raw = vocabulary.bytes_of(token)
        return {"token": token_text(raw), "logprob": finite(logprob), "bytes": list(raw)}

    content = [{**view(t.id, t.logprob), "top_logprobs": [view(i, p) for i, p in t.alternatives]} for t in tokens]
    return {"content": content, "refusal": None}
