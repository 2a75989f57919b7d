"""The engine under the server and under `postgrad chat`: names to models, messages to answers.

One base model is held in memory at a time, with at most one adapter merged in; requests take turns. A model is asked with
the same renderer, instruction, passages and decoding with which it was evaluated. A request is prepared, which needs the
renderer alone and no turn, and then answered.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from postgrad.errors import DataError, ModelError
from postgrad.evaluation.arms import with_passages
from postgrad.evaluation.retrieval import Index, Passage
from postgrad.models.generate import Completion, Decoding, complete, stream
from postgrad.models.language_model import LanguageModel
from postgrad.models.render import load_renderer
from postgrad.models.sources import BaseModel, find_model, known_models
from postgrad.models.trained import Trained, load_trained
from postgrad.records import Message
from postgrad.registry import Catalogue, ModelEntry
from postgrad.storage import Blobs

T = TypeVar("T")

RAG = "+rag"
"""Suffix of a model's name that puts passages of its documents before each request."""


@dataclass(frozen=True)
class Served:
    """A model that can be asked.

    Attributes:
        name: As the client calls it.
        base: Name of the base model.
        entry: The registered model, or None for a plain base.
        grounded: Whether passages are put before the request.
    """

    name: str
    base: str
    entry: ModelEntry | None
    grounded: bool = False


@dataclass(frozen=True)
class Prepared:
    """A request that was accepted: whom to ask, the ids of the prompt, and how to decode."""

    served: Served
    prompt: Sequence[int]
    decoding: Decoding


class Engine:
    """Answers requests for every base and registered model.

    Args:
        catalogue: Where tuned models are registered.
        bases: Base models offered under their own names.
    """

    def __init__(self, catalogue: Catalogue, bases: Sequence[str] = ()) -> None:
        self.catalogue, self.blobs = catalogue, Blobs()
        self.bases = tuple(dict.fromkeys([*bases, *known_models()]))
        self._turns, self._reading = threading.Lock(), threading.Lock()
        self._model: LanguageModel | None = None
        self._found: dict[str, BaseModel] = {}
        self._adapters: dict[str, Trained] = {}
        self._indexes: dict[str, tuple[Index, list[Passage]]] = {}

    def names(self) -> list[tuple[str, int, str]]:
        """(name, unix time of creation, owner) of everything that can be asked."""
        out = [(name, 0, "postgrad") for name in self.bases]
        seen: set[str] = set()
        for entry in self.catalogue.list():
            ids = [entry.id] if entry.name in seen else [entry.name, entry.id]
            seen.add(entry.name)
            for name in ids:
                out.append((name, int(entry.created.timestamp()), "user"))
                if entry.details.get("passages"):
                    out.append((name + RAG, int(entry.created.timestamp()), "user"))
        return out

    def find(self, name: str) -> Served:
        """What a client means by a model's name.

        Raises:
            ModelError: there is no such model.
        """
        if name in self.bases:
            return Served(name, name, None)
        plain = name.removesuffix(RAG)
        entry = self.catalogue.get(plain)
        grounded = name.endswith(RAG)
        if grounded and not entry.details.get("passages"):
            raise ModelError(
                f"The model {plain!r} was made without documents; it has no {name!r}.", f"Ask for {plain!r}."
            )
        return Served(name, entry.base, entry, grounded)

    def prepare(self, served: Served, messages: Sequence[Message], decoding: Decoding) -> Prepared:
        """The request as it will be asked; refuses what cannot be answered.

        Raises:
            DataError: the messages do not fit the template or the context.
            ModelError: the base cannot be had, or has changed since the training.
        """
        base = self._base(served.base)
        renderer = load_renderer(base.folder, base.context)
        asked = list(messages)
        if (entry := served.entry) is not None:
            if entry.template != renderer.fingerprint:
                raise ModelError(
                    f"{entry.id} was trained with another tokenizer or chat template than {entry.base!r} has now; its answers would differ.",
                    "Restore the base model it was trained on, or train again.",
                )
            system = entry.details.get("system_prompt")
            if system and not any(m.role == "system" for m in asked):
                asked.insert(0, Message("system", system))
            if served.grounded:
                asked = list(with_passages(asked, self._passages(entry, asked)))
        ids = renderer.prompt_ids(asked)
        if len(ids) + max(1, decoding.max_new_tokens) > base.context:
            raise DataError(
                f"This model's maximum context length is {base.context} tokens; the messages have {len(ids)} and {decoding.max_new_tokens} were asked for the answer.",
                "Shorten the messages or lower max_tokens.",
            )
        return Prepared(served, ids, decoding)

    def complete(self, request: Prepared, count: int = 1) -> list[Completion]:
        """`count` answers; sampled ones differ by seed."""
        with self._turn(request.served) as model:
            out: list[Completion] = []
            for i in range(count):
                varied = replace(request.decoding, seed=request.decoding.seed + i)
                out += [c for _, c in complete(model, [request.prompt], varied)]
            return out

    def stream(self, request: Prepared) -> Generator[str | Completion, None, None]:
        """Pieces of text, and the `Completion` last."""
        with self._turn(request.served) as model:
            yield from stream(model, request.prompt, request.decoding)

    @contextmanager
    def _turn(self, served: Served) -> Iterator[LanguageModel]:
        """The model, with the right adapter, for one request at a time."""
        base = self._base(served.base)
        with self._turns:
            if self._model is None or self._model.base is not base:
                self._model = None  # free the old one before the new one is read
                self._model = LanguageModel(base)
            if served.entry is None:
                self._model.use(None)
            else:
                self._model.use(self._adapter(served.entry), served.entry.blob)
            yield self._model

    def _kept(self, shelf: dict[str, T], key: str, read: Callable[[], T]) -> T:
        """What is read from disk once, by one request at a time, turn or no turn."""
        with self._reading:
            if key not in shelf:
                shelf[key] = read()
            return shelf[key]

    def _base(self, name: str) -> BaseModel:
        return self._kept(self._found, name, lambda: find_model(name))

    def _adapter(self, entry: ModelEntry) -> Trained:
        return self._kept(self._adapters, entry.blob, lambda: load_trained(self.blobs.get_folder(entry.blob)))

    def _index(self, entry: ModelEntry) -> tuple[Index, list[Passage]]:
        lines = (self.blobs.get_folder(entry.blob) / "passages.jsonl").read_text("utf-8").split("\n")
        passages = [Passage(**json.loads(line)) for line in lines if line]
        return Index([p.text for p in passages]), passages

    def _passages(self, entry: ModelEntry, messages: Sequence[Message]) -> list[Passage]:
        index, passages = self._kept(self._indexes, entry.blob, lambda: self._index(entry))
        question = next((m.content for m in reversed(messages) if m.role == "user"), "")
        return [passages[i] for i in index.search(question, int(entry.details["passages"]))]


def messages_from(raw: Sequence[dict[str, Any]]) -> list[Message]:
    """Messages of a request in OpenAI's chat form.

    Raises:
        DataError: a message that cannot be used; says which.
    """
    out: list[Message] = []
    for place, item in enumerate(raw):
        role = {"developer": "system", "function": "tool"}.get(item.get("role", ""), item.get("role"))
        if role not in ("system", "user", "assistant", "tool"):
            raise DataError(
                f"Invalid value for 'messages[{place}].role': {item.get('role')!r}.",
                "Use system, developer, user, assistant or tool.",
            )
        content = item.get("content")
        if isinstance(content, list):
            if odd := [p.get("type") for p in content if p.get("type") != "text"]:
                raise DataError(f"messages[{place}] has a part of type {odd[0]!r}; this model reads text only.")
            content = "".join(p["text"] for p in content)
        out.append(Message.from_dict({**item, "role": role, "content": content or ""}))
    return out
