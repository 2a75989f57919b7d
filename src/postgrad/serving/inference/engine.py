"""The engine under the server and under `postgrad chat`: names to models, messages to answers.

A model is asked with the same renderer, instruction, passages and decoding with which it was evaluated. A request is
prepared, which needs the renderer alone and may run in any thread, and then answered step by step in the one thread
that computes (`computing`).
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Collection, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from postgrad.blobs import Blobs
from postgrad.errors import DataError, ModelError, StorageError
from postgrad.evaluation.prompting import BuiltPrompt, PromptBuilder
from postgrad.evaluation.retrieval import Retriever
from postgrad.models.base_models import BaseModel, find_model, known_models
from postgrad.models.canary import Canary
from postgrad.models.generation.generate import Decoding
from postgrad.models.generation.grammar import Vocabulary, vocabulary_of
from postgrad.models.generation.incremental import Piece
from postgrad.models.generation.logits import Steering
from postgrad.models.language_model import LanguageModel
from postgrad.models.rendering.render import Renderer, load_renderer
from postgrad.records import Message, ToolDefinition
from postgrad.registry import Catalogue, ModelEntry
from postgrad.registry.names import Names, Permissions
from postgrad.serving.inference.computing import Computing, Scoring, Steps
from postgrad.serving.inference.prepared import PreparedRequest, Served
from postgrad.steps.arms.registered import (
    RAG,
    REWARDS,
    check_template,
    own_retriever,
    passages_of,
    prompt_builder,
    refuse_reward_model,
    refuse_without_documents,
    split_name,
)

_log = logging.getLogger(__name__)
_KEPT, _CANARIES = 8, 256


class Engine:
    """Answers requests for every base and registered model.

    Args:
        catalogue: Where tuned models are registered.
        bases: Base models offered under their own names.
        aliases: Further names of models, for programs that name one that is not here.
    """

    def __init__(
        self, catalogue: Catalogue, bases: Sequence[str] = (), aliases: Mapping[str, str] | None = None
    ) -> None:
        self.catalogue, self.blobs = catalogue, Blobs()
        self.further, self.permissions = Names(catalogue), Permissions(catalogue)
        self.bases = tuple(dict.fromkeys([*bases, *known_models()]))
        self.aliases = dict(aliases or {})
        self.computing = Computing(self.blobs.get_folder)
        self.compute = ThreadPoolExecutor(1, "model")
        self._reading = threading.Lock()
        self._found: dict[str, BaseModel] = {}
        self._retrievers: OrderedDict[str, Retriever] = OrderedDict()
        self._canaries: OrderedDict[str, Canary] = OrderedDict()

    def names(self, project: str | None = None, organization: str | None = None) -> list[tuple[str, int, str]]:
        """(name, unix time of creation, owner) of everything that can be asked from a project (None: from any)."""
        out = [(name, 0, "postgrad") for name in [*self.bases, *self.aliases]]
        permitted = self.permissions.of(project, organization)
        answering = self.catalogue.answering()
        for entry in self.catalogue.list():
            if entry.details.get(REWARDS) or not _visible(entry, project, organization, permitted):
                continue
            for name in [entry.name, entry.id] if entry.id in answering else [entry.id]:
                owner = str(entry.details.get("organization") or "user")
                out.append((name, int(entry.created.timestamp()), owner))
                if passages_of(entry):
                    out.append((name + RAG, int(entry.created.timestamp()), owner))
        known = {name: (at, owner) for name, at, owner in out}
        return out + [(n, *known[m]) for n, m in self.further.all().items() if m in known and n not in known]

    def find(self, name: str, project: str | None = None, organization: str | None = None) -> Served:
        """What a client means by a model's name.

        Raises:
            ModelError: there is no such model for this project.
        """
        meant, owner = self.aliases.get(name, name), f"{organization or ''}/{project or ''}"
        if meant in self.bases:
            return Served(name, meant, None, owner=owner)
        plain, grounded = split_name(meant)
        entry = self.further.serving(plain)
        if not _visible(entry, project, organization, self.permissions.of(project, organization, entry.name)):
            raise ModelError(f"There is no registered model {plain!r}.")
        if grounded:
            refuse_without_documents(entry, meant)
        return Served(name, entry.base, entry, grounded, owner, self._canary(entry))

    def renderer(self, served: Served) -> Renderer:
        """The renderer of a model.

        Raises:
            ModelError: the base cannot be had, or has changed since the training.
        """
        base = self._base(served.base)
        renderer = load_renderer(base)
        if served.entry is not None:
            refuse_reward_model(served.entry)
            check_template(served.entry, renderer)
        return renderer

    def vocabulary(self, served: Served) -> Vocabulary:
        """The tokens of a model as bytes."""
        base, renderer = self._base(served.base), self.renderer(served)
        with self._reading:
            return vocabulary_of(base, renderer)

    def prompt(
        self,
        served: Served,
        messages: Sequence[Message],
        tools: Sequence[ToolDefinition] = (),
        wanted: int | None = None,
    ) -> BuiltPrompt:
        """What the model is asked: as in the evaluation, its own instruction and passages put in.

        Args:
            served: The model.
            messages: Of the request.
            tools: That it offers.
            wanted: Tokens that it wants for the answer, where it says so.

        Raises:
            DataError: the messages do not fit the template.
            ModelError: the base cannot be had, or has changed since the training.
        """
        renderer, retrieve = self.renderer(served), None
        if served.entry is None:
            return PromptBuilder(renderer).build(messages, tools)
        if served.grounded:
            retrieve = self._retriever(served.entry)
        return prompt_builder(served.entry, renderer, retrieve).build(messages, tools, wanted)

    def fitted(
        self,
        served: Served,
        ids: Sequence[int],
        decoding: Decoding,
        steering: Steering | None = None,
        count: int = 1,
        as_evaluated: bool = False,
    ) -> PreparedRequest:
        """A prompt of ids as it will be asked.

        Raises:
            DataError: prompt and answer do not fit into the context.
        """
        context = self.room(served)
        if len(ids) + max(1, decoding.max_new_tokens) > context:
            raise DataError(
                f"This model's maximum context length is {context} tokens; the prompt has {len(ids)} and"
                f" {max(1, decoding.max_new_tokens)} were requested for the answer.",
                "Shorten it or lower max_tokens.",
            )
        return PreparedRequest(served, ids, decoding, steering or Steering(), count, as_evaluated)

    def room(self, served: Served) -> int:
        """Context length in tokens."""
        return self._base(served.base).context

    def prepare(self, served: Served, messages: Sequence[Message], decoding: Decoding) -> PreparedRequest:
        """Messages as they will be asked; refuses what cannot be answered.

        Raises:
            DataError: the messages do not fit the template or the context.
            ModelError: the base cannot be had, or has changed since the training.
        """
        prompt = self.prompt(served, messages, (), decoding.max_new_tokens)
        decoding = decoding.for_chat(self.renderer(served))
        return self.fitted(served, prompt.ids, decoding, as_evaluated=prompt.as_evaluated)

    def begin(self, request: PreparedRequest) -> Steps:
        """The request's answers, not begun yet."""
        return self.computing.begin(self._base(request.served.base), request)

    def score(self, request: PreparedRequest) -> Scoring:
        """The log-probabilities of the request's prompt, not begun yet."""
        return Scoring(self.computing, self._base(request.served.base), request)

    def stream(self, request: PreparedRequest) -> Generator[Piece, None, None]:
        """The pieces of the answers, for callers that are not the server and have the model to themselves."""
        steps = self.begin(request)
        try:
            while (pieces := self.compute.submit(steps.next).result()) is not None:
                yield from pieces
        finally:
            self.compute.submit(steps.close)

    def use(self, served: Served) -> LanguageModel:
        """The model in place; for the computing thread alone."""
        return self.computing.alone(self._base(served.base), served)

    def _base(self, name: str) -> BaseModel:
        with self._reading:
            if name not in self._found:
                self._found[name] = find_model(name)
            return self._found[name]

    def _canary(self, entry: ModelEntry) -> Canary | None:
        """What a model said when it was trained; None where that was not kept."""
        digest = entry.details.get("canary")
        if not digest:
            return None
        with self._reading:
            if digest not in self._canaries:
                try:
                    self._canaries[digest] = Canary.from_bytes(self.blobs.get_bytes(digest))
                except StorageError as error:
                    _log.warning("What %s said when it was trained is not known any more: %s", entry.id, error.message)
                    return None
                if len(self._canaries) > _CANARIES:
                    self._canaries.popitem(last=False)
            return self._canaries[digest]

    def _retriever(self, entry: ModelEntry) -> Retriever:
        with self._reading:
            if entry.blob not in self._retrievers:
                self._retrievers[entry.blob] = own_retriever(entry, self.blobs)
                if len(self._retrievers) > _KEPT:
                    self._retrievers.popitem(last=False)
            return self._retrievers[entry.blob]


def _visible(entry: ModelEntry, project: str | None, organization: str | None, permitted: Collection[str]) -> bool:
    """Whether a model is a project's own, permitted to it, or everybody's: those made on the command line have no
    owner."""
    owner = entry.details.get("project")
    if project is None or owner is None:
        return True
    same = organization is None or entry.details.get("organization", organization) == organization
    return same and (owner == project or entry.name in permitted)
