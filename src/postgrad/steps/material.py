"""What a run makes of records of any shape: the objective that fits them, the questions that arms answer, and what is
trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from postgrad.data.load import LoadedRecords
from postgrad.data.shapes.conversions import NotMeant, cast
from postgrad.data.shapes.registry import KINDS
from postgrad.data.shapes.row_errors import Inexpressible
from postgrad.data.split.split import Split
from postgrad.errors import UsageError
from postgrad.evaluation.questions import is_wanted, question_of
from postgrad.models.rendering.render import Renderer
from postgrad.objectives import names, spec_of
from postgrad.progress import Said, Working
from postgrad.recipe import DataSection, Recipe
from postgrad.records import Conversation, Preference, Rating, Record, Task, Text
from postgrad.steps.examples import Examples, Material
from postgrad.steps.text_parts import text_examples

USUAL: dict[type[Record], str] = {
    Conversation: "sft",
    Preference: "dpo",
    Rating: "kto",
    Task: "sft",
    Text: "pretrain",
}
"""What a run trains with by the kind of its records, where nobody names an objective."""
LEARNED_AS: dict[type[Record], tuple[type[Record], ...]] = {
    Conversation: (Conversation, Task),
    Preference: (Preference, Conversation, Rating),
    Rating: (Rating, Conversation),
    Task: (Task, Conversation),
    Text: (Text,),
}
"""The kinds of record that an objective may learn from, given records of one kind."""
_WHY = {
    Preference: "The examples are pairs of a better and a worse answer",
    Rating: "The examples are rated answers",
    Text: "The data is raw text",
}


def _answers(objective: str, kind: type[Record]) -> bool:
    """Whether it learns from such records to answer, so that arms can be compared; a teacher is `train`'s alone."""
    spec = spec_of(objective)
    return spec.records in LEARNED_AS[kind] and spec.makes == "answers" and "teacher" not in spec.needs


def kind_of(loaded: LoadedRecords) -> type[Record]:
    """Of all the records: `load` refuses mixtures."""
    return Counter(map(type, loaded.records)).most_common(1)[0][0]


def with_objective(recipe: Recipe, loaded: LoadedRecords) -> Working[Recipe]:
    """The recipe with the objective that fits the records, where it names none.

    Raises:
        UsageError: the named one does not learn from such records.
    """
    kind = kind_of(loaded)
    training = recipe.training
    if not training.named_objective and USUAL[kind] != training.objective:
        settings = {**training.model_dump(exclude_unset=True), "objective": USUAL[kind]}
        yield Said(
            f"{_WHY[kind]}, so the model is trained with the objective {USUAL[kind]} (--objective takes another)."
        )
        return recipe.model_copy(update={"training": type(training).model_validate(settings)})
    if not _answers(training.objective, kind):
        fit = [name for name in names() if _answers(name, kind)]
        raise UsageError(
            f"The objective {training.objective} does not learn from {KINDS[kind]}, which {loaded.shape} is read as.",
            f"Objectives that do: {', '.join(fit)}. The shapes are in docs/data.md.",
        )
    if kind in (Preference, Rating) and training.objective == "sft":
        bad = "rejected" if kind is Preference else "unwanted"
        yield Said(f"The good answers are learned, as the recipe says (sft); the {bad} ones only test.")
    return recipe


def examples_of(data: DataSection, objective: str, parts: Split, room: int, renderer: Renderer) -> Working[Examples]:
    """The divided records as questions, with what the objective learns from beside them.

    Args:
        objective: As settled by `with_objective`.
        room: Test examples that there is time to measure.
        renderer: Of the base: passages of raw text must have room in its context.
    """
    everything = [*parts.train, *parts.validation, *parts.test]
    kind, learned = type(everything[0]), spec_of(objective).records
    if kind is Text:
        return (yield from text_examples(data, parts, room, renderer))
    if kind is Conversation and learned is Conversation:
        return Examples.of(parts.train, parts.validation, parts.test, data.group, room)
    shown = [q for q in map(question_of, parts.train) if is_wanted(q)]
    asked = [[question_of(r) for r in part] for part in (parts.validation, parts.test)]
    examples = Examples.of(shown, asked[0], asked[1], data.group, room)
    if learned is Conversation:
        if left := len(parts.train) - len(shown):
            yield Said(f"{left} of {len(parts.train)} training examples are answers rated bad and are not learned.")
        return examples
    train, lost = _as(parts.train, learned)
    validation, _ = _as(parts.validation, learned)
    if lost:
        yield Said(
            f"{lost} of {len(parts.train)} training examples say nothing to {objective} and are left out.", warning=True
        )
    return examples.learning(Material(tuple(train), tuple(validation)))


def _as(records: Sequence[Record], kind: type[Record]) -> tuple[list[Record], int]:
    """The records as another kind, and how many cannot be."""
    out: list[Record] = []
    lost = 0
    for record in records:
        try:
            out += cast(record, (kind,))[0]
        except (Inexpressible, NotMeant):
            lost += 1
    return out, lost
