"""The engine under the server and under `postgrad chat`: names to models, messages to answers.

One base model is held in memory at a time, with at most one adapter merged in; requests take turns. A model is asked with
the same renderer, instruction, passages and decoding with which it was evaluated.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from postgrad.errors import DataError, ModelError
from postgrad.evaluation.arms import with_passages
from postgrad.evaluation.retrieval import Index, Passage
from postgrad.models.generate import Completion, Decoding, complete, stream
from postgrad.models.language_model import LanguageModel
from postgrad.models.lora import Adapter, load_adapter
from postgrad.models.sources import find_model, known_models
from postgrad.records import Message
from postgrad.registry import Catalogue, ModelEntry
from postgrad.storage import Blobs

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


class Engine:
    """Answers requests for every base and registered model.

    Args:
        catalogue: Where tuned models are registered.
        bases: Base models offered under their own names.
    """

    def __init__(self, catalogue: Catalogue, bases: Sequence[str] = ()) -> None:
        self.catalogue, self.blobs = catalogue, Blobs()
        self.bases = tuple(dict.fromkeys([*bases, *known_models()]))
        self._lock = threading.Lock()
        self._model: LanguageModel | None = None
        self._model_name = ""
        self._adapters: dict[str, Adapter] = {}
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

    def complete(
        self, served: Served, messages: Sequence[Message], decoding: Decoding, count: int = 1
    ) -> list[Completion]:
        """`count` answers; sampled ones differ by seed."""
        with self._turn(served) as model:
            prompt = self._prompt(model, served, messages, decoding)
            out: list[Completion] = []
            for i in range(count):
                varied = Decoding(
                    decoding.max_new_tokens, decoding.temperature, decoding.top_p, decoding.seed + i, decoding.stop
                )
                out += [c for _, c in complete(model, [prompt], varied)]
            return out

    def stream(
        self, served: Served, messages: Sequence[Message], decoding: Decoding
    ) -> Generator[str | Completion, None, None]:
        """Pieces of text, and the `Completion` last."""
        with self._turn(served) as model:
            yield from stream(model, self._prompt(model, served, messages, decoding), decoding)

    def check(self, served: Served, messages: Sequence[Message], decoding: Decoding) -> None:
        """Refuses what cannot be answered, before a stream has begun.

        Raises:
            DataError: the messages do not fit the template or the context.
        """
        with self._turn(served) as model:
            self._prompt(model, served, messages, decoding)

    @contextmanager
    def _turn(self, served: Served) -> Iterator[LanguageModel]:
        """The model, with the right adapter, for one request at a time."""
        with self._lock:
            if self._model is None or self._model_name != served.base:
                self._model = None  # free the old one before the new one is read
                self._model = LanguageModel(find_model(served.base))
                self._model_name = served.base
            if served.entry is None:
                self._model.use(None)
            else:
                self._model.use(self._adapter(served.entry, self._model), served.entry.blob)
            yield self._model

    def _adapter(self, entry: ModelEntry, model: LanguageModel) -> Adapter:
        if entry.template != model.renderer.fingerprint:
            raise ModelError(
                f"{entry.id} was trained with another tokenizer or chat template than {entry.base!r} has now; its answers would differ.",
                "Restore the base model it was trained on, or train again.",
            )
        if entry.blob not in self._adapters:
            self._adapters[entry.blob] = load_adapter(self.blobs.get_folder(entry.blob))
        return self._adapters[entry.blob]

    def _prompt(
        self, model: LanguageModel, served: Served, messages: Sequence[Message], decoding: Decoding
    ) -> list[int]:
        asked = list(messages)
        if served.entry is not None:
            system = served.entry.details.get("system_prompt")
            if system and not any(m.role == "system" for m in asked):
                asked.insert(0, Message("system", system))
        if served.grounded and served.entry is not None:
            asked = list(with_passages(asked, self._passages(served.entry, asked)))
        ids = model.renderer.prompt_ids(asked)
        if len(ids) + 1 > model.base.context or len(ids) + decoding.max_new_tokens > model.base.context:
            raise DataError(
                f"This model's maximum context length is {model.base.context} tokens; the messages have {len(ids)} and {decoding.max_new_tokens} were asked for the answer.",
                "Shorten the messages or lower max_tokens.",
            )
        return ids

    def _passages(self, entry: ModelEntry, messages: Sequence[Message]) -> list[Passage]:
        if entry.blob not in self._indexes:
            lines = (self.blobs.get_folder(entry.blob) / "passages.jsonl").read_text("utf-8").split("\n")
            passages = [Passage(**json.loads(line)) for line in lines if line]
            self._indexes[entry.blob] = (Index([p.text for p in passages]), passages)
        index, passages = self._indexes[entry.blob]
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
