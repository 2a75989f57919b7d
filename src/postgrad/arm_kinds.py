"""What each way to do the task is: one table of names, costs, and whether it is trained, retrieves or is remote.

Recipe, verdict, sentences and pages ask this table, never an arm's name. To add an arm: a file with its maker (a
function as in `steps/arms/making.py`), and a line here that points to it, put where its costs belong.
"""

from __future__ import annotations

from dataclasses import dataclass

BASE, PROMPTED, OPTIMISED_PROMPT, RAG, REMOTE = "base", "prompted", "optimised_prompt", "rag", "remote"
FINE_TUNED, FINE_TUNED_RAG = "fine_tuned", "fine_tuned+rag"
"""The arms that the program itself speaks of; every other one is only looked up."""
ON_A_BASE = " @ "
"""Between an arm and the base that it stands on, where several bases are compared."""


@dataclass(frozen=True, slots=True)
class ArmKind:
    """A way to do the task.

    Attributes:
        in_sentence: What a manager would call it.
        in_table: A few words for tables and pictures.
        maker: `module:function` that makes it for a run (see `steps.arms.making.Making`), imported when the arm is
            made. Empty where it is made otherwise: remote arms by `steps/arms/remote_arms.py`, one for each model.
        trained: Whether a model trained in the run answers.
        retrieves: Whether it looks something up for each request.
        needs_documents: Whether it is left out of a run without documents.
        needs_examples: Whether it is made from training examples. `evaluate` has none and measures only the
            others, which `steps/arms/named_models.py` makes for it.
        remote: Whether its answers are bought from another machine.
        default: Whether a run measures it by default.
        on_a_base: Its name in a sentence where several bases are compared.
        recommended_as: The verdict's word for it; empty: its own name.
    """

    in_sentence: str
    in_table: str
    maker: str = ""
    trained: bool = False
    retrieves: bool = False
    needs_documents: bool = False
    needs_examples: bool = True
    remote: bool = False
    default: bool = True
    on_a_base: str = "{arm} on {base}"
    recommended_as: str = ""


ARM_KINDS: dict[str, ArmKind] = {
    BASE: ArmKind(
        "the unmodified base model",
        "the unmodified model",
        "postgrad.steps.arms.making:base",
        needs_examples=False,
        on_a_base="the unmodified {base}",
    ),
    PROMPTED: ArmKind(
        "a prompt with instructions",
        "given instructions in a system prompt",
        "postgrad.steps.arms.making:prompted",
        needs_examples=False,
    ),
    "few_shot": ArmKind(
        "few-shot prompting", "given worked examples in the prompt", "postgrad.steps.arms.making:few_shot"
    ),
    OPTIMISED_PROMPT: ArmKind(
        "an optimised prompt", "with a prompt improved by search", "postgrad.steps.arms.making:optimised_prompt"
    ),
    RAG: ArmKind(
        "retrieval (RAG)",
        "given retrieved passages",
        "postgrad.steps.arms.making:rag",
        retrieves=True,
        needs_examples=False,
    ),
    REMOTE: ArmKind("the remote model", "another model, over the network", remote=True),
    FINE_TUNED: ArmKind(
        "the tuned model",
        "trained on your examples",
        "postgrad.steps.arms.making:fine_tuned",
        trained=True,
        recommended_as="fine_tune",
    ),
    FINE_TUNED_RAG: ArmKind(
        "the tuned model with retrieval",
        "trained on your examples, given retrieved passages",
        "postgrad.steps.arms.making:fine_tuned_rag",
        trained=True,
        retrieves=True,
        needs_documents=True,
    ),
}
"""Every arm by its name in recipes and reports, what costs least first: of arms that are equally good the verdict takes
the earlier. The prompts of later ones are longer, a remote one costs money, a trained one a training."""


def kind_of(arm: str) -> ArmKind | None:
    """The kind of an arm (or recommendation) by its name in a report: `few_shot`, `few_shot @ BASE`, `remote:MODEL`,
    `fine_tune`. None for names of the user's, such as those of registered models."""
    plain = recommended_arm(arm).partition(ON_A_BASE)[0]
    if plain in ARM_KINDS:
        return ARM_KINDS[plain]
    kind, colon, _ = plain.partition(":")
    found = ARM_KINDS.get(kind) if colon else None
    return found if found and found.remote else None


def known_arm(name: str) -> str:
    """The name itself, for settings.

    Raises:
        ValueError: there is no arm of that name.
    """
    if name not in ARM_KINDS:
        raise ValueError(f"there is no arm {name!r}; arms are {', '.join(ARM_KINDS)}")
    return name


def is_trained(arm: str) -> bool:
    """Whether a model trained in the run answers."""
    return bool((kind := kind_of(arm)) and kind.trained)


def is_remote(arm: str) -> bool:
    return bool((kind := kind_of(arm)) and kind.remote)


def retrieves(arm: str) -> bool:
    """Whether the arm looks something up for each request."""
    return bool((kind := kind_of(arm)) and kind.retrieves)


def cost_rank(arm: str) -> int:
    """The place among all arms by what they cost, the cheapest 0; unknown ones are last."""
    kinds = list(ARM_KINDS.values())
    kind = kind_of(arm)
    return kinds.index(kind) if kind in kinds else len(kinds)


def plain_name(arm: str) -> str:
    """The arm as a manager would call it; a name of the user's stays as it is."""
    kind = kind_of(arm)
    if kind is None:
        return arm
    name, at, base = arm.partition(ON_A_BASE)
    if at:
        return kind.on_a_base.format(arm=kind.in_sentence, base=base)
    model = name.partition(":")[2].strip()
    return f"{kind.in_sentence} {model}" if model else kind.in_sentence


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
