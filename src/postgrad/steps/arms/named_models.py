"""Whom to measure: registered models, base models and remote ones, by the names that users give them.

A trained model is asked as it was trained: its own instruction, and its own passages where it was made with documents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from postgrad import arm_kinds
from postgrad.arm_kinds import BASE, ON_A_BASE, PROMPTED, ArmKind
from postgrad.blobs import Blobs
from postgrad.errors import ModelError, UsageError
from postgrad.evaluation import arms as ways
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.prompting import PromptBuilder, Retrieve
from postgrad.models.base_models import known_models
from postgrad.models.rendering.render import Renderer
from postgrad.registry import Catalogue
from postgrad.registry.catalogue import ModelEntry
from postgrad.steps.arms.arm_makers import asking_arm
from postgrad.steps.arms.registered import (
    RAG,
    own_retriever,
    passages_of,
    prompt_builder,
    refuse_reward_model,
    refuse_without_documents,
    split_name,
)
from postgrad.steps.reporting.kept_report import kept_report

Make = Callable[[Renderer, int], Arm]


@dataclass(frozen=True)
class Named:
    """A model as the user named it.

    Attributes:
        base: What is loaded.
        entry: The registered model, or None for a base.
        grounded: Whether only its form with passages was asked for (`NAME+rag`).
    """

    base: str
    entry: ModelEntry | None = None
    grounded: bool = False


@dataclass(frozen=True)
class Contestant:
    """One way to do the task, and what must be loaded for it.

    Attributes:
        name: Of its arm.
        make: Its arm, once the base's renderer and the tokens that an answer may take are known.
        base: What is loaded.
        entry: The registered model, or None for a base.
    """

    name: str
    make: Make
    base: str
    entry: ModelEntry | None = None

    @property
    def blob(self) -> str | None:
        return self.entry.blob if self.entry else None


def named_models(names: Sequence[str], catalogue: Catalogue) -> list[Named]:
    """What the names mean: a registered NAME, NAME@VERSION or NAME@ALIAS, each with `+rag` if wanted, or a base model.

    Raises:
        ModelError: a name means nothing here, or a reward model.
    """
    out: list[Named] = []
    for name in dict.fromkeys(names):
        if _is_base(name):
            out.append(Named(name))
            continue
        plain, grounded = split_name(name)
        try:
            entry = catalogue.get(plain)
        except ModelError as error:
            raise ModelError(
                error.message,
                f"{error.mend} A base model is a known name ({', '.join(known_models())}), a folder, a GGUF file, or a"
                " hub id.",
            ) from error
        refuse_reward_model(entry)
        if grounded:
            refuse_without_documents(entry, name)
        out.append(Named(entry.base, entry, grounded))
    return out


def instruction(given: str | None, models: Sequence[Named], blobs: Blobs) -> tuple[str | None, str]:
    """The instruction for the base models, and where it comes from: the user, or the run of a registered model."""
    if given is not None:
        return given, "as given"
    for model in models:
        report = kept_report(blobs, model.entry) if model.entry is not None else None
        if model.entry is not None and report is not None and report.system_prompt:
            return report.system_prompt, f"of the run that made {model.entry.id}"
    return None, ""


def contestants(
    models: Sequence[Named],
    wanted: Sequence[str] | None,
    system: str | None,
    retrieve: Retrieve | None,
    blobs: Blobs,
) -> list[Contestant]:
    """All arms to measure.

    Args:
        models: From `named_models`.
        wanted: Arms of base models; None for those that can be made.
        system: The instruction of their prompted arms.
        retrieve: Passages of the user's documents, for their arm `rag`.
        blobs: Hold what registered models were made with.

    Raises:
        UsageError: an arm cannot be made from test examples alone.
    """
    usual = [
        n for n, able in ((BASE, True), (PROMPTED, system is not None), (arm_kinds.RAG, retrieve is not None)) if able
    ]
    kinds = list(wanted) if wanted is not None else usual
    for kind in kinds:
        _refuse(kind, system, retrieve)
    out: list[Contestant] = []
    for model in models:
        if model.entry is not None:
            out += _trained(model, model.entry, blobs)
            continue
        out += [_untrained(kind, model.base, system, retrieve) for kind in kinds]
    return out


def untrained() -> list[str]:
    """Ways that need no training examples; the others are made from them, and `evaluate` is given test examples
    alone."""
    return [name for name, kind in arm_kinds.arm_kinds().items() if _needs_nothing(name, kind)]


def _needs_nothing(name: str, kind: ArmKind) -> bool:
    """Whether `_untrained` can make it: of others' arms those that are no more than what they ask."""
    able = name in arm_kinds.ARM_KINDS or kind.ask is not None
    return able and not (kind.trained or kind.remote or kind.needs_examples)


def _untrained(kind: str, base: str, system: str | None, retrieve: Retrieve | None) -> Contestant:
    name = f"{kind}{ON_A_BASE}{base_label(base)}"

    def make(renderer: Renderer, room: int) -> Arm:
        if (ask := arm_kinds.arm_kinds()[kind].ask) is not None:
            return asking_arm(name, ask)
        if kind == arm_kinds.RAG:
            return ways.with_documents(name, False, PromptBuilder(renderer, system, retrieve, room))
        return replace(ways.base() if kind == BASE else ways.prompted(system or ""), name=name)

    return Contestant(name, make, base)


def base_label(base: str) -> str:
    """A short name of a base model, for arms and folders."""
    path = Path(base).expanduser()
    return (path.stem if path.suffix == ".gguf" else path.name) if path.exists() else base.replace("/", "--")


def _is_base(name: str) -> bool:
    return name.lower() in known_models() or "/" in name or name.endswith(".gguf") or Path(name).is_dir()


def _refuse(kind: str, system: str | None, retrieve: object) -> None:
    if kind not in arm_kinds.arm_kinds():
        raise UsageError(f"There is no arm {kind!r}.", f"Arms of base models here: {', '.join(untrained())}.")
    if kind not in untrained():
        raise UsageError(
            f"The arm {kind!r} is made from training examples, and `evaluate` has test examples only.",
            f"Arms of base models here: {', '.join(untrained())}. Name trained models with --model; `postgrad run`"
            " measures every arm.",
        )
    if kind == PROMPTED and system is None:
        raise UsageError(
            "The arm 'prompted' needs an instruction, and it must not be written from test examples.",
            "Give it: --system-prompt TEXT, or @file.",
        )
    if kind == arm_kinds.RAG and retrieve is None:
        raise UsageError("The arm 'rag' needs documents.", "Give their folder: --docs FOLDER.")


def _trained(model: Named, entry: ModelEntry, blobs: Blobs) -> list[Contestant]:
    """The registered model without passages and, where it was made with documents, with them; one of the two if so
    named."""

    def plain(renderer: Renderer, room: int) -> Arm:
        return replace(ways.fine_tuned(prompt_builder(entry, renderer)), name=entry.id)

    def grounded(renderer: Renderer, room: int) -> Arm:
        builder = prompt_builder(entry, renderer, own_retriever(entry, blobs))
        note = f"Prompted as trained, with {passages_of(entry)} passages of its own documents."
        return ways.built(entry.id + RAG, True, builder, note)

    out = [] if model.grounded else [Contestant(entry.id, plain, entry.base, entry)]
    return [*out, *([Contestant(entry.id + RAG, grounded, entry.base, entry)] if passages_of(entry) else [])]
