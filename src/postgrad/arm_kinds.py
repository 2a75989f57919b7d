"""What each way to do the task is: one table of names, and whether it is trained, retrieves or is remote.

Recipe, verdict, sentences and pages ask this table, never an arm's name. To add an arm: a file with its maker (a
function as in `steps/arms/making.py`), and a line here that points to it. Others add theirs without touching it: as an
entry point of an installed package in the group `postgrad.arms`, or as an object in a Python call
(`pg.run(data, arms=["base", mine])`); `arm_kinds` is the table with theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from postgrad.extensions import Extended, UnfitError, calling
from postgrad.json_types import JsonMapping
from postgrad.records import Message, Record

BASE, PROMPTED, OPTIMISED_PROMPT, RAG, REMOTE = "base", "prompted", "optimised_prompt", "rag", "remote"
MAJORITY, FINE_TUNED, FINE_TUNED_RAG = "majority", "fine_tuned", "fine_tuned+rag"
GOOD_ANSWERS = "good_answers"
"""The arms that the program itself speaks of; every other one is only looked up."""
ON_A_BASE = " @ "
"""Between an arm and the base that it stands on, where several bases are compared."""
_SHORT = 60
"""Letters of what is said of an arm in tables and pictures, at most."""
Ask: TypeAlias = Callable[[Record], str | Sequence[Message | JsonMapping]]
"""A record, without its answer → the request: text of the user's, or messages (also as dictionaries with `role` and
`content`)."""
Maker: TypeAlias = Callable[..., object]
"""What the makers of `steps.arms.making.Maker` are; words may not import that type."""


@dataclass(frozen=True, slots=True)
class ArmKind:
    """A way to do the task.

    Attributes:
        in_sentence: What a manager would call it.
        in_table: A few words for tables and pictures.
        maker: What makes it for a run (see `steps.arms.making.Making`): a function, or `module:function`, imported
            when the arm is made. Empty where it is made otherwise: remote arms by `steps/arms/remote_arms.py`, one for
            each model, and `good_answers` by `steps/fitting/good_answers.py`.
        ask: Instead of a maker, where an arm is no more than what is asked for a record.
        trained: Whether a model trained in the run answers.
        retrieves: Whether it looks something up for each request.
        needs_documents: Whether it is left out of a run without documents.
        needs_grader: Whether it is left out where no grader says what an answer is worth.
        needs_examples: Whether it is made from training examples. `evaluate` has none and measures only the
            others, which `steps/arms/named_models.py` makes for it.
        remote: Whether its answers are bought from another machine.
        for_remotes: Whether remote models are asked in this way too, beside the instruction alone: `remote+few_shot`.
        label: What it is called in tables and pictures; empty: its name.
        plain: Whether no language model answers; such an arm is left out without a word where a task has no place for
            it.
        trivial: Whether it says the same to every request: what does no better has learned nothing, and it is never
            recommended itself.
        default: Whether a run measures it by default; of others' arms those that are named.
        on_a_base: Its name in a sentence where several bases are compared.
        recommended_as: The verdict's word for it; empty: its own name.
    """

    in_sentence: str
    in_table: str
    maker: str | Maker = ""
    ask: Ask | None = None
    trained: bool = False
    retrieves: bool = False
    needs_documents: bool = False
    needs_grader: bool = False
    needs_examples: bool = True
    remote: bool = False
    for_remotes: bool = False
    plain: bool = False
    trivial: bool = False
    default: bool = True
    label: str = ""
    on_a_base: str = "{arm} on {base}"
    recommended_as: str = ""


ARM_KINDS: dict[str, ArmKind] = {
    MAJORITY: ArmKind(
        "always giving the commonest answer",
        "one answer to everything",
        "postgrad.steps.arms.plain:majority",
        plain=True,
        trivial=True,
        label="commonest answer",
    ),
    "echo": ArmKind(
        "repeating the request",
        "the request as its own answer",
        "postgrad.steps.arms.plain:echo",
        plain=True,
        label="request repeated",
    ),
    "first_sentence": ArmKind(
        "the request's first sentence",
        "no model, the beginning of the request",
        "postgrad.steps.arms.plain:first_sentence",
        plain=True,
        label="first sentence",
    ),
    "nearest": ArmKind(
        "copying the nearest example's answer",
        "no model, the most similar training example",
        "postgrad.steps.arms.plain:nearest",
        plain=True,
        label="nearest answer",
    ),
    "classifier": ArmKind(
        "a plain classifier",
        "no language model, a linear classifier",
        "postgrad.steps.arms.plain:classifier",
        plain=True,
        label="classifier",
    ),
    BASE: ArmKind(
        "the unmodified base model",
        "the unmodified model",
        "postgrad.steps.arms.making:base",
        needs_examples=False,
        on_a_base="the unmodified {base}",
        label="base model",
    ),
    PROMPTED: ArmKind(
        "a prompt with instructions",
        "given instructions in a system prompt",
        "postgrad.steps.arms.making:prompted",
        needs_examples=False,
        label="prompt only",
    ),
    "few_shot": ArmKind(
        "few-shot prompting",
        "given worked examples in the prompt",
        "postgrad.steps.arms.making:few_shot",
        for_remotes=True,
        label="prompt with examples",
    ),
    OPTIMISED_PROMPT: ArmKind(
        "the best prompt of a search",
        "asked with the best prompt of a search",
        "postgrad.steps.arms.making:optimised_prompt",
        for_remotes=True,
        label="searched prompt",
    ),
    RAG: ArmKind(
        "retrieval (RAG)",
        "given retrieved passages",
        "postgrad.steps.arms.making:rag",
        retrieves=True,
        needs_examples=False,
        for_remotes=True,
        label="retrieval",
    ),
    "rag+few_shot": ArmKind(
        "retrieval with worked examples",
        "given retrieved passages and worked examples",
        "postgrad.steps.arms.making:rag_few_shot",
        retrieves=True,
        needs_documents=True,
        label="retrieval with examples",
    ),
    "best_of_n": ArmKind(
        "the best of eight answers by the grader",
        "asked eight times, the grader chooses",
        "postgrad.steps.arms.best_of:best_of_n",
        needs_grader=True,
        label="best of eight",
    ),
    REMOTE: ArmKind("the remote model", "another model, over the network", remote=True, label="remote model"),
    GOOD_ANSWERS: ArmKind(
        "the model tuned on the good answers alone",
        "trained on the good answers alone, where preferences or ratings are learned",
        trained=True,
        label="tuned on good answers",
    ),
    FINE_TUNED: ArmKind(
        "the tuned model",
        "trained on your examples",
        "postgrad.steps.arms.making:fine_tuned",
        trained=True,
        recommended_as="fine_tune",
        label="fine-tuned",
    ),
    FINE_TUNED_RAG: ArmKind(
        "the tuned model with retrieval",
        "trained on your examples, given retrieved passages",
        "postgrad.steps.arms.making:fine_tuned_rag",
        trained=True,
        retrieves=True,
        needs_documents=True,
        label="fine-tuned with retrieval",
    ),
}
"""Every arm by its name in recipes and reports, in the order in which they are measured and shown. What an arm costs is
measured, never looked up here."""


def arm_kinds() -> Mapping[str, ArmKind]:
    """Every arm that can be named: those of `ARM_KINDS`, of installed packages, and of the present call.

    Raises:
        UsageError: two packages offer one name, or a name of the house.
    """
    given = cast(Mapping[str, ArmKind], calling.get().arms)  # the door takes them by `arm_of`
    return Extended("postgrad.arms", ARM_KINDS, "arm", given, arm_of)


def arm_of(name: str, given: object) -> ArmKind:
    """What others give as an arm: its kind, or a function that says what is asked for a record.

    Raises:
        UnfitError: it is neither, or its kind claims what is the house's.
    """
    if not name.isidentifier():
        raise UnfitError("under a name that is none: letters, digits and _ alone")
    if not isinstance(given, ArmKind):
        if not callable(given):
            raise UnfitError(f"{given!r}: neither a function of a record nor an ArmKind")
        return ArmKind(f"the arm {name}", _told(given), ask=cast(Ask, given), needs_examples=False)
    if bool(given.maker) == bool(given.ask):
        raise UnfitError("an ArmKind with both a maker and what it asks, or with neither")
    if given.remote or given.recommended_as:
        raise UnfitError("an ArmKind that is remote or goes by another name in verdicts, as the house's alone do")
    return given


def _told(function: object) -> str:
    """What a function says of itself, where that is short enough for a table."""
    said = (getattr(function, "__doc__", None) or "").strip().partition("\n")[0].rstrip(".")
    return said if 0 < len(said) <= _SHORT else "asked in a way of its own"


def _kind(name: str) -> ArmKind | None:
    """By its plain name; the house's first, which is quick."""
    return ARM_KINDS.get(name) or arm_kinds().get(name)


def kind_of(arm: str) -> ArmKind | None:
    """The kind of an arm (or recommendation) by its name in a report: `few_shot`, `few_shot @ BASE`, `remote:MODEL`,
    `fine_tune`. None for names of the user's, such as those of registered models."""
    plain = recommended_arm(arm).partition(ON_A_BASE)[0]
    if found := _kind(plain):
        return found
    found = ARM_KINDS.get(re.split("[:+]", plain, maxsplit=1)[0])
    return found if found and found.remote else None


def known_arm(name: str) -> str:
    """The name itself, for settings.

    Raises:
        ValueError: there is no arm of that name.
    """
    if _kind(name) is None:
        raise ValueError(f"there is no arm {name!r}; arms are {', '.join(arm_kinds())}")
    return name


def is_trained(arm: str) -> bool:
    """Whether a model trained in the run answers."""
    return bool((kind := kind_of(arm)) and kind.trained)


def is_remote(arm: str) -> bool:
    return bool((kind := kind_of(arm)) and kind.remote)


def is_plain(arm: str) -> bool:
    """Whether no language model answers."""
    return bool((kind := kind_of(arm)) and kind.plain)


def is_trivial(arm: str) -> bool:
    """Whether it says the same to every request."""
    return bool((kind := kind_of(arm)) and kind.trivial)


def retrieves(arm: str) -> bool:
    """Whether the arm looks something up for each request."""
    kind, way = kind_of(arm), _remote_way(arm)
    return bool((kind and kind.retrieves) or (way and way.retrieves))


def _remote_way(arm: str) -> ArmKind | None:
    """How a remote arm asks, where that is more than the instruction alone: that of `rag` for `remote:MODEL+rag`."""
    way = ARM_KINDS.get(arm.rpartition("+")[2])
    return way if way and way.for_remotes and is_remote(arm) else None


def _remote_model(arm: str) -> tuple[str, ArmKind | None]:
    """(the model of a remote arm, how it is asked); nothing for arms of this house."""
    way = _remote_way(arm)
    return (arm.rpartition("+")[0] if way else arm).partition(":")[2].strip(), way


def plain_name(arm: str) -> str:
    """The arm as a manager would call it; a name of the user's stays as it is."""
    kind = kind_of(arm)
    if kind is None:
        return arm
    name, at, base = arm.partition(ON_A_BASE)
    if at:
        return kind.on_a_base.format(arm=kind.in_sentence, base=base)
    model, way = _remote_model(name)
    said = f"{kind.in_sentence} {model}" if model else kind.in_sentence
    return f"{said} with {way.in_sentence}" if way else said


def told(text: str, documents: bool) -> str:
    """A sentence about arms, in a run with documents or without any: there the nearest training examples stand in the
    prompt instead of passages."""
    return text if documents else text.replace(plain_name(RAG), "the nearest examples in the prompt")


def label(arm: str) -> str:
    """The arm in a table or beside a dot: plain words, without an article; a name of the user's stays as it is."""
    kind = kind_of(arm)
    if kind is None or not kind.label:
        return arm
    name, at, base = arm.partition(ON_A_BASE)
    model, way = _remote_model(name)
    said = f"{model}, {way.label}" if way else model or kind.label
    return f"{said}{ON_A_BASE}{base}" if at else said


def meaning(arm: str) -> str:
    """The arm in a few words for tables; of a registered model what was added to it (`NAME+rag`); empty when
    unknown."""
    if kind := kind_of(arm):
        return kind.in_table
    return ", ".join(ARM_KINDS[part].in_table for part in arm.split("+")[1:] if part in ARM_KINDS)


def recommendation(arm: str) -> str:
    """The verdict's word for an arm."""
    kind = ARM_KINDS.get(arm)
    return (kind.recommended_as if kind else "") or arm


def recommended_arm(word: str) -> str:
    """The arm that a verdict recommends by this word."""
    return next((name for name, kind in ARM_KINDS.items() if kind.recommended_as == word), word)
