"""Any OpenAI-compatible URL as a model: asked many questions at once, patiently, within a budget, and never twice.

Every answer is kept under the hash of URL, model, messages and asking, so that the same command after Ctrl-C pays for
nothing again. The key comes from an environment variable and goes nowhere but to the URL.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from typing import Any

from postgrad.errors import Interrupted, ModelError, UsageError
from postgrad.json_types import JsonObject
from postgrad.models.remote.rules import (
    RETRIED,
    Asking,
    Budget,
    TokenPrice,
    clean,
    expected_tokens,
    parse_remote,
    wait_before,
)
from postgrad.progress import Progress, Working
from postgrad.records import Message, ToolDefinition
from postgrad.storage import StageStore, sha256_json

__all__ = ["Asking", "Budget", "RemoteAnswer", "RemoteModel", "RemoteUsage", "TokenPrice", "parse_remote"]

_REFUSED_AT_START = 5
"""So many refusals and not one answer: the request itself is wrong, not one prompt."""


@dataclass(frozen=True, slots=True)
class RemoteAnswer:
    """One answer.

    Attributes:
        text: Empty where the server refused this prompt.
        finish: `stop`, `length`, `tool_calls`, or `refused`.
        prompt_tokens: As the server counted them.
        completion_tokens: As the server counted them.
        seconds: From sending to the whole answer, of the attempt that succeeded.
        tool_calls: As OpenAI spells them.
        note: The server's words where it refused.
    """

    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    tool_calls: tuple[JsonObject, ...] = ()
    note: str = ""


@dataclass(slots=True)
class RemoteUsage:
    """What was asked and spent by this command.

    Attributes:
        asked: Answers that were paid for.
        kept: Answers that were there from before.
        retries: Attempts that failed and were made again.
        uncounted: Answers for which the server told no tokens; they were estimated from letters.
        unasked: Prompts that the budget did not allow.
    """

    asked: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    retries: int = 0
    uncounted: int = 0
    unasked: int = 0
    reserved_prompt: int = field(default=0, repr=False)
    reserved_completion: int = field(default=0, repr=False)


class RemoteModel:
    """A chat model behind a URL.

    Args:
        url: The part before `/chat/completions`, such as `https://api.openai.com/v1`.
        model: Its name there.
        key_env: Environment variable that holds the key; None for servers that want none.
        concurrency: Requests under way at once.
        timeout: Seconds until an attempt counts as failed.
        retries: Attempts after the first one that fails for a passing reason (429, 5xx, timeouts, broken answers).
        budget: What may be spent.
        store: Where answers are kept.

    Raises:
        UsageError: the variable is not set, or the package `openai` is missing.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key_env: str | None = None,
        concurrency: int = 8,
        timeout: float = 120.0,
        retries: int = 6,
        budget: Budget | None = None,
        store: StageStore | None = None,
    ) -> None:
        self.url, self.model, self.key_env = url.rstrip("/"), model, key_env
        self.concurrency, self.retries = concurrency, retries
        self.budget, self.store = budget or Budget(), store or StageStore.default()
        self.usage = RemoteUsage()
        self._key = _key(key_env)
        self._client = _client(self.url, self._key, timeout)
        self._lock = threading.Lock()
        self._halt = threading.Event()
        self._not_before = 0.0
        self._left_out: set[str] = set()  # parameters that this server has refused

    def __repr__(self) -> str:
        return f"RemoteModel({self.url!r}, {self.model!r})"

    @property
    def name(self) -> str:
        """`URL#MODEL`, as it is written on the command line and into reports."""
        return f"{self.url}#{self.model}"

    @property
    def usd(self) -> float | None:
        """What was spent by this command; None without a price."""
        return (
            self.budget.price.of(self.usage.prompt_tokens, self.usage.completion_tokens) if self.budget.price else None
        )

    def answer(
        self,
        prompts: Sequence[Sequence[Message]],
        asking: Asking | None = None,
        stopped: Callable[[], bool] = lambda: False,
        tools: Sequence[Sequence[ToolDefinition]] = (),
    ) -> Working[list[RemoteAnswer | None]]:
        """Answers of all prompts in order; None for those that the budget did not allow any more.

        Args:
            prompts: The messages of each.
            asking: How answers are asked for.
            stopped: Asked often; when it turns true, nothing more is sent.
            tools: For each prompt the tools that it may call, as OpenAI spells them; nothing for none at all.

        Raises:
            ModelError: no such model, a wrong key, or a server that goes on failing. What was answered is kept.
            Interrupted: `stopped()` turned true; what was answered is kept.
        """
        how = asking or Asking()
        given = tools or [()] * len(prompts)
        wires = [_Wire([_wire(m) for m in p], [dict(t) for t in g]) for p, g in zip(prompts, given, strict=True)]
        keys = [sha256_json([self.url, self.model, *wire.content, asdict(how)]) for wire in wires]
        known = {key: RemoteAnswer(**raw) for key in set(keys) if (raw := self.store.get("remote", key)) is not None}
        self.usage.kept += len(known)
        waiting = deque({key: wire for key, wire in zip(keys, wires, strict=True) if key not in known}.items())
        self._halt.clear()
        pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="remote")
        running: dict[Future[RemoteAnswer], str] = {}
        refused = 0
        try:
            yield self._progress(keys, known)
            self._start(pool, running, waiting, how)
            while running:
                done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
                for future in done:
                    key = running.pop(future)
                    known[key] = future.result()
                    refused += known[key].finish == "refused"
                    if refused >= _REFUSED_AT_START and refused == self.usage.asked:
                        raise ModelError(f"{self.name} refuses every request: {known[key].note}")
                if stopped():
                    raise Interrupted(f"Interrupted; the {len(known)} answers of {self.name} so far are kept.")
                self._start(pool, running, waiting, how)
                if done:
                    yield self._progress(keys, known)
            self.usage.unasked += len(set(keys) - set(known))
        finally:
            self._halt.set()
            pool.shutdown(wait=True, cancel_futures=True)  # what is under way is paid for: it is awaited and kept
        return [known.get(key) for key in keys]

    def _start(
        self,
        pool: ThreadPoolExecutor,
        running: dict[Future[RemoteAnswer], str],
        waiting: deque[tuple[str, _Wire]],
        how: Asking,
    ) -> None:
        """Sends as many as may be under way and paid for."""
        while len(running) < self.concurrency and waiting:
            key, wire = waiting.popleft()
            expected = expected_tokens([*wire.messages, *({"content": json.dumps(tool)} for tool in wire.tools)])
            with self._lock:
                used = self.usage
                allowed = self.budget.allows(
                    used.prompt_tokens + used.reserved_prompt + expected,
                    used.completion_tokens + used.reserved_completion + how.max_new_tokens,
                )
                if not allowed and running:  # those under way will cost less than was put aside for them
                    waiting.appendleft((key, wire))
                    return
                if not allowed:
                    continue  # a shorter one may still fit
                used.reserved_prompt += expected
                used.reserved_completion += how.max_new_tokens
            running[pool.submit(self._one, key, wire, how, expected)] = key

    def _progress(self, keys: Sequence[str], known: dict[str, RemoteAnswer]) -> Progress:
        used = self.usage
        note = f"{used.prompt_tokens + used.completion_tokens:,} tokens"
        if self.usd is not None:
            note += f", {self.usd:.4f} USD"
        if used.retries:
            note += f", {used.retries} retries"
        return Progress(sum(key in known for key in keys), len(keys), "answers", note)

    def _one(self, key: str, wire: _Wire, how: Asking, expected: int) -> RemoteAnswer:
        """One prompt until it is answered, refused, or given up; runs in a thread."""
        try:
            found = self._patiently(wire, how)
        finally:
            with self._lock:
                self.usage.reserved_prompt -= expected
                self.usage.reserved_completion -= how.max_new_tokens
        if found.finish != "refused":  # a refusal may be mended on the server: it is asked again the next time
            self.store.put("remote", key, {"url": self.url, "model": self.model}, asdict(found))
        return found

    def _patiently(self, wire: _Wire, how: Asking) -> RemoteAnswer:
        import openai

        attempt = 0
        while True:
            self._pause()
            settings = self._settings(how)
            try:
                return self._ask(wire, settings)
            except openai.APIStatusError as error:
                words = clean(error.message, self._key)
                if error.status_code in (400, 422) and self._without(words, settings):
                    continue
                if error.status_code in (400, 413, 422):
                    return self._counted(RemoteAnswer("", "refused", 0, 0, 0.0, note=words))
                if error.status_code not in RETRIED or error.code == "insufficient_quota":
                    raise self._final(error.status_code, words) from None
                headers, why = dict(error.response.headers), f"status {error.status_code}: {words}"
            except openai.APIConnectionError as error:  # timeouts too
                headers, why = {}, clean(f"{error} {error.__cause__ or ''}", self._key)
            except (_Garbled, openai.APIResponseValidationError, json.JSONDecodeError) as error:
                headers, why = {}, clean(f"a response that is not a chat completion: {error}", self._key)
            if attempt >= self.retries:
                raise ModelError(
                    f"{self.name} failed {attempt + 1} times in a row: {why}.",
                    "The answers so far are kept: run the same command again when the server is available again.",
                ) from None
            with self._lock:
                self.usage.retries += 1
                self._not_before = max(self._not_before, time.monotonic() + wait_before(attempt, headers))
            attempt += 1

    def _pause(self) -> None:
        """Waits as long as the server asked any of the requests to wait."""
        while (left := self._not_before - time.monotonic()) > 0:
            if self._halt.wait(left):
                break
        if self._halt.is_set():
            raise Interrupted("Interrupted while waiting for a remote model.")

    def _ask(self, wire: _Wire, settings: JsonObject) -> RemoteAnswer:
        from openai.types.chat import ChatCompletion, ChatCompletionMessage

        start = time.monotonic()
        given = {"tools": wire.tools} if wire.tools else {}
        response = self._client.chat.completions.create(model=self.model, messages=wire.messages, **given, **settings)
        seconds = time.monotonic() - start
        choice = response.choices[0] if isinstance(response, ChatCompletion) and response.choices else None
        message = getattr(choice, "message", None)
        # the client builds its objects without looking, so a server may have put anything anywhere
        if (
            choice is None
            or not isinstance(message, ChatCompletionMessage)
            or not isinstance(message.content, str | None)
        ):
            raise _Garbled(repr(response)[:120])
        text, usage = message.content or "", response.usage
        counts = (getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None))
        if not all(isinstance(count, int) for count in counts):
            counts = (expected_tokens(wire.messages), expected_tokens([{"content": text}]))
            with self._lock:
                self.usage.uncounted += 1
        calls = tuple(call.model_dump() for call in message.tool_calls or ())
        return self._counted(
            RemoteAnswer(text, choice.finish_reason or "stop", counts[0] or 0, counts[1] or 0, seconds, calls)
        )

    def _counted(self, answer: RemoteAnswer) -> RemoteAnswer:
        with self._lock:
            self.usage.asked += 1
            self.usage.prompt_tokens += answer.prompt_tokens
            self.usage.completion_tokens += answer.completion_tokens
        return answer

    def _settings(self, how: Asking) -> JsonObject:
        """The request's parameters, without those that this server has refused."""
        length = "max_completion_tokens" if "max_tokens" in self._left_out else "max_tokens"
        given = {length: how.max_new_tokens, "temperature": how.temperature}
        if how.temperature > 0:
            given |= {"top_p": how.top_p} | ({} if how.seed is None else {"seed": how.seed})
        if how.stop:
            given["stop"] = list(how.stop)
        return {name: value for name, value in given.items() if name not in self._left_out}

    def _without(self, words: str, sent: JsonObject) -> bool:
        """Whether a refusal names a parameter that was sent and can be left out (or named otherwise) from now on."""
        for name in sent.keys() & {"max_tokens", "temperature", "top_p", "seed"}:
            if f"'{name}'" in words and ("nsupported" in words or "not support" in words):
                with self._lock:
                    self._left_out.add(name)
                return True
        return False

    def _final(self, status: int, words: str) -> ModelError:
        """What a failure that no patience mends means."""
        if status in (401, 403):
            how = (
                f"Is the key in {self.key_env} right?"
                if self.key_env
                else "Name the variable with its key: --key-env NAME"
            )
            return ModelError(f"{self.url} refused access (status {status}): {words}", how)
        if status == 404:
            return ModelError(f"{self.url} has no model {self.model!r}, or is no OpenAI-compatible address: {words}")
        return ModelError(f"{self.name} refused the request (status {status}): {words}")


@dataclass(frozen=True, slots=True)
class _Wire:
    """A request as servers take it."""

    messages: list[JsonObject]
    tools: list[JsonObject]

    @property
    def content(self) -> list[list[JsonObject]]:
        """What tells it from other requests."""
        return [self.messages, self.tools] if self.tools else [self.messages]


class _Garbled(Exception):  # noqa: N818 - never leaves this file
    """An answer that is none; asked again."""


def _wire(message: Message) -> JsonObject:
    """A message as servers take it: the weight is ours."""
    return {key: value for key, value in message.to_dict().items() if key != "weight"}


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise UsageError(
            f"The environment variable {name} is not set.", f"export {name}=… with the key of the remote model."
        )
    return key


def _client(url: str, key: str | None, timeout: float) -> Any:
    try:
        import openai
    except ImportError as error:
        raise UsageError("Remote models require the package openai.", "pip install openai") from error
    # retries are ours: the client's own know nothing of the other requests under way
    return openai.OpenAI(base_url=url, api_key=key or "none", timeout=timeout, max_retries=0)
