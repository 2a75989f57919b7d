"""A model behind an OpenAI-compatible address, of whatever server: what the gate can ask of it.

Prompts' tokens are told by vLLM (`/tokenize`) and llama.cpp's server (`/apply-template` and `/tokenize`).
Log-probabilities come by completions with `echo`, where the server takes that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2 as httpx

from postgrad.errors import UsageError
from postgrad.export.chat_template import as_asked
from postgrad.export.parity.contestant import CannotSayError, Said
from postgrad.json_types import JsonObject
from postgrad.records import Message, ToolDefinition

TIMEOUT_S = 120.0


class UrlModel:
    """A deployment.

    Args:
        url: As OpenAI's SDK takes it (`http://host:8000/v1`), with `#MODEL` behind it; without, its only model.
        key: Sent as a bearer token.

    Raises:
        UsageError: nothing answers there, or it has several models and none is named.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        self._url, _, self._model = url.partition("#")
        self._url = self._url.rstrip("/")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._headers = headers
        models = self._get(f"{self._url}/models").get("data", [])
        if not self._model:
            if len(models) != 1:
                names = ", ".join(str(m.get("id")) for m in models[:8])
                raise UsageError(f"{self._url} has {len(models)} models: {names}.", "Name one: --url URL#MODEL.")
            self._model = str(models[0]["id"])
        elif models and self._model not in {str(m.get("id")) for m in models}:
            names = ", ".join(str(m.get("id")) for m in models[:8])
            raise UsageError(f"{self._url} has no model {self._model!r}.", f"It has: {names}.")
        self.name = f"{self._model} at {self._url}"
        self._root = self._url.removesuffix("/v1")
        self._echoes: bool | None = None

    def prompt(self, messages: Sequence[Message], tools: Sequence[ToolDefinition]) -> Sequence[int]:
        asked: JsonObject = {"messages": as_asked(messages), "add_generation_prompt": True}
        if tools:
            asked["tools"] = [dict(t) for t in tools]
        found = self._try(f"{self._root}/tokenize", {"model": self._model, **asked})
        if found and found.get("tokens") and (found.get("count") or found.get("max_model_len")):
            return [int(t) for t in found["tokens"]]
        text = (self._try(f"{self._root}/apply-template", asked) or {}).get("prompt")
        if isinstance(text, str):
            body = {"content": text, "add_special": True, "parse_special": True}
            found = self._try(f"{self._root}/tokenize", body)
            if found and found.get("tokens"):
                return [int(t) for t in found["tokens"]]
        raise CannotSayError("the server has no path that tells a prompt's tokens")

    def logprobs(self, ids: Sequence[int], begin: int) -> Sequence[float]:
        if self._echoes is False and begin == 1:
            raise CannotSayError("the server does not score prompts")
        body: JsonObject = {
            "model": self._model,
            "prompt": list(ids),
            "max_tokens": 1,
            "temperature": 0,
            "echo": True,
            "logprobs": 1,
        }
        found = self._try(f"{self._url}/completions", body)
        told = (((found or {}).get("choices") or [{}])[0].get("logprobs") or {}).get("token_logprobs") or []
        self._echoes = len(told) >= len(ids)
        if not self._echoes:
            raise CannotSayError("the server does not score prompts")
        return [float(v) if v is not None else 0.0 for v in told[begin : len(ids)]]

    def answer(self, messages: Sequence[Message], tools: Sequence[ToolDefinition], most: int) -> Said:
        body: JsonObject = {"model": self._model, "messages": as_asked(messages), "max_tokens": most, "temperature": 0}
        if tools:
            body |= {"tools": [dict(t) for t in tools], "tool_choice": "auto"}
        found = self._try(f"{self._url}/chat/completions", body)
        if found is None or not found.get("choices"):
            raise CannotSayError("the server refused the request")
        choice = found["choices"][0]
        if choice["message"].get("tool_calls"):
            raise CannotSayError("the server reads calls out of the answer itself")
        return Said(None, choice["message"].get("content") or "", choice.get("finish_reason") or "")

    def _get(self, url: str) -> JsonObject:
        try:
            answer = httpx.get(url, headers=self._headers, timeout=TIMEOUT_S)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UsageError(
                f"Nothing that speaks OpenAI's protocol answers at {url} ({type(error).__name__}).",
                "Give the address that OpenAI's SDK would take: --url http://localhost:8000/v1#MODEL.",
            ) from error

    def _try(self, url: str, body: JsonObject) -> JsonObject | None:
        try:
            answer = httpx.post(url, json=body, headers=self._headers, timeout=TIMEOUT_S)
            found: Any = answer.json() if answer.status_code == 200 else None
        except (httpx.HTTPError, ValueError):
            return None
        return found if isinstance(found, dict) else None
