"""How a registered model is asked: its own instruction, its own passages, on the base that it was trained on."""

from __future__ import annotations

from postgrad.blobs import Blobs
from postgrad.errors import ModelError, NoAnswersError
from postgrad.evaluation.prompting import USUAL_ROOM, PromptBuilder, Retrieve
from postgrad.evaluation.retrieval import Retriever
from postgrad.models.rendering.render import Renderer
from postgrad.registry.catalogue import ModelEntry
from postgrad.storage import name_from

REWARDS = "rewards"
"""The key under `details` of a reward model: what its registration says of it."""
RAG = "+rag"
"""Suffix of a model's name that puts passages of its documents before each request."""


def model_name(wished: str | None, data_name: str) -> str:
    """The resulting model's name: as wished, or from the first file's name."""
    return wished or name_from(data_name, "model").lower()


def split_name(name: str) -> tuple[str, bool]:
    """A model's name without the suffix for passages, and whether it had that suffix."""
    return name.removesuffix(RAG), name.endswith(RAG)


def passages_of(entry: ModelEntry) -> int:
    """How many passages are put before a request where passages are wanted; 0 for a model without documents."""
    return int(entry.details.get("passages") or 0)


def refuse_without_documents(entry: ModelEntry, name: str) -> None:
    """Refuses a name with `+rag` of a model that has no documents.

    Raises:
        ModelError: it has none.
    """
    if not passages_of(entry):
        plain, _ = split_name(name)
        raise ModelError(f"The model {plain!r} was made without documents; it has no {name!r}.", f"Use {plain!r}.")


def own_retriever(entry: ModelEntry, blobs: Blobs) -> Retriever:
    """Over the documents that a model was made with.

    Raises:
        ModelError: they are not there, or cannot be read.
    """
    return Retriever.of_folder(blobs.get_folder(entry.blob), passages_of(entry))


def refuse_reward_model(entry: ModelEntry) -> None:
    """Refuses a model that grades answers wherever one is wanted that gives them.

    Raises:
        NoAnswersError: it is a reward model.
    """
    if entry.details.get(REWARDS):
        raise NoAnswersError(entry.id)


def check_template(entry: ModelEntry, renderer: Renderer) -> None:
    """Refuses a model whose base has another tokenizer or chat template than when it was trained.

    Raises:
        ModelError: it has.
    """
    if entry.template != renderer.fingerprint:
        raise ModelError(
            f"{entry.id} was trained with another tokenizer or chat template than {entry.base!r} has now; its answers"
            " would differ.",
            "Restore the base model it was trained on, or train again.",
        )


def prompt_builder(entry: ModelEntry, renderer: Renderer, retrieve: Retrieve | None = None) -> PromptBuilder:
    """How a registered model is asked.

    Args:
        entry: The model.
        renderer: Of its base.
        retrieve: Its own documents, where passages are wanted.

    Raises:
        ModelError: it is a reward model, or the base has another tokenizer or chat template than when it was trained.
    """
    refuse_reward_model(entry)
    check_template(entry, renderer)
    return PromptBuilder(
        renderer,
        entry.details.get("system_prompt"),
        retrieve,
        int(entry.details.get("answer_room") or USUAL_ROOM),
        bool(entry.details.get("own_systems", True)),
    )
