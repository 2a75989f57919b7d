"""`POST /v1/embeddings`: static word vectors that need no network; good for search and grouping, blind to word
order."""

from __future__ import annotations

import base64
import json

import numpy as np
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from postgrad.json_types import JsonObject
from postgrad.models.embeddings import MAX_TOKENS, SIZE, count_tokens, embed
from postgrad.serving.access.limits import spent
from postgrad.serving.wire.api_errors import ApiError, unknown_model
from postgrad.serving.wire.requests import EmbeddingRequest
from postgrad.serving.wire.response_schemas import Embeddings
from postgrad.serving.wire.strict_json import ApiRouter

EMBEDDER = "wordllama-256"
"""The one embedding model's name."""


def embeddings_router() -> ApiRouter:
    """The route."""
    router = ApiRouter(tags=["Embeddings"])

    @router.post("/v1/embeddings", response_model=Embeddings, operation_id="createEmbedding")
    async def create(request: Request, body: EmbeddingRequest) -> Response:
        """Vectors of texts."""
        request.state.audit_object = body.model
        answer = await run_in_threadpool(_embedded, body, request)
        return Response(json.dumps(answer), media_type="application/json")

    return router


def _embedded(body: EmbeddingRequest, request: Request) -> JsonObject:
    if body.model != EMBEDDER:
        raise unknown_model(body.model)
    if body.dimensions is not None and body.dimensions > SIZE:
        raise ApiError(400, f"'dimensions' can be at most {SIZE} for {EMBEDDER}.", "invalid_value", "dimensions")
    given = [body.input] if isinstance(body.input, str) else body.input
    texts = [item for item in given if isinstance(item, str)]
    if len(texts) < len(given):
        raise ApiError(
            400,
            "'input' holds token ids, which mean nothing without their tokenizer. Send texts (LangChain:"
            " check_embedding_ctx_length=False).",
            "unsupported_value",
            "input",
        )
    counts = count_tokens(texts)
    for place, tokens in enumerate(counts):
        if tokens > MAX_TOKENS:
            raise ApiError(
                400,
                f"This model's maximum context length is {MAX_TOKENS} tokens; input[{place}] has {tokens}.",
                "context_length_exceeded",
                "input",
            )
    total = sum(counts)
    spent(request, total)
    vectors = _shortened(embed(texts), body.dimensions)
    data = [{"object": "embedding", "index": i, "embedding": _view(v, body)} for i, v in enumerate(vectors)]
    return {
        "object": "list",
        "data": data,
        "model": EMBEDDER,
        "usage": {"prompt_tokens": total, "total_tokens": total},
    }


def _shortened(vectors: np.ndarray, size: int | None) -> np.ndarray:
    """The first numbers of each vector, made a unit vector again: these vectors were trained to be cut."""
    if size is None or size == vectors.shape[1]:
        return vectors
    cut = vectors[:, :size]
    return cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-9)


def _view(vector: np.ndarray, body: EmbeddingRequest) -> str | list[float]:
    if body.encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(number) for number in vector]
