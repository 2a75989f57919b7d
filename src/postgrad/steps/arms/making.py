"""The arms of a job, made from train and validation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from postgrad.arm_kinds import ARM_KINDS, FINE_TUNED_RAG, RAG, arm_kinds
from postgrad.evaluation import arms as ways
from postgrad.evaluation.arms import Arm
from postgrad.evaluation.measure import room_for_answers
from postgrad.evaluation.prompting import PromptBuilder
from postgrad.evaluation.retrieval import Index, Retriever
from postgrad.models.language_model import LanguageModel
from postgrad.progress import Said, Working
from postgrad.records import Record, tools_of
from postgrad.steps.arms.arm_makers import made_arm
from postgrad.steps.arms.growing import neighbour_count, shots
from postgrad.steps.arms.held import held_where_better
from postgrad.steps.arms.passages import quality_of_documents, quality_of_examples
from postgrad.steps.arms.prompt_proposer import SearchSettings
from postgrad.steps.arms.prompt_search import searched_prompt
from postgrad.steps.context import RunContext
from postgrad.steps.examples import Examples, Grounding, TaskSpec

SHOT_TOKENS = 900  # a few-shot block of about this size; its cost is shared by all prompts
NOTHING_TO_SHOW = "the tasks bring no right answers that could be shown"
PASSAGES_BEFORE, SIZED = 3, 200  # passages that retrieval puts before raw text, and so many tell how long they are
TURN_TOKENS = 12  # what a template writes around a request and its answer


@dataclass
class Making:
    """What the makers of a run's arms are given.

    A maker, the `maker` of an `ArmKind`, makes one arm of it: it reads training and validation, never the test part,
    may take its time and say what it does, and returns the arm or why there is none. One that has nothing to say may be
    a plain function.
    """

    ctx: RunContext
    model: LanguageModel
    examples: Examples
    task: TaskSpec
    grounding: Grounding | None
    search: SearchSettings
    _shown: tuple[list[Record], list[list[Record]]] | str | None = None

    @functools.cached_property
    def usual(self) -> float:
        """Tokens of a training example, request and answer, in the mean."""
        count, train = self.model.renderer.count, self.examples.train
        around = sum(TURN_TOKENS * (len(ways.own_prompt(r)) + 1) / 2 for r in train)
        return (sum(count(f"{r.prompt_text}\n{r.answer_text}") for r in train) + around) / len(train)

    def shots(self) -> Working[tuple[list[Record], list[list[Record]]] | str]:
        """The block of worked examples and the sets it was chosen among, once for all arms; or why there are none."""
        if not shows_answers(self.examples):
            return NOTHING_TO_SHOW
        if self._shown is None:
            count, left = _shot_count(self)
            self._shown = (yield from shots(self, count, self.usual, left)) if count else _no_room(self.model)
        return self._shown


Maker = Callable[[Making], Working[Arm | str] | Arm | str]
"""Makes an arm, or says in half a sentence why it cannot be made."""


def untrained_arms(making: Making, wanted: Sequence[str]) -> Working[list[Arm]]:
    """The wanted arms that need no training, but for the remote ones."""
    arms = yield from _made(making, wanted, trained=False)
    return (yield from held_where_better(making.ctx, making.model, making.task, making.examples, arms))


def fine_tuned_arms(making: Making, wanted: Sequence[str]) -> Working[list[Arm]]:
    """The wanted arms that answer with the trained model."""
    return (yield from _made(making, wanted, trained=True))


def _made(making: Making, wanted: Sequence[str], *, trained: bool) -> Working[list[Arm]]:
    """The wanted arms of one sort in the order of the table; those that cannot be made are named in the ledger."""
    out: list[Arm] = []
    missing: dict[str, list[str]] = {}
    unfit: list[str] = []
    kinds = arm_kinds()
    for name, kind in ((name, kinds[name]) for name in kinds if name in wanted):
        unwanted = kind.trained != trained or not (kind.maker or kind.ask)
        graded = making.task.choice.kind == "reinforcement"
        if unwanted or (kind.needs_documents and making.grounding is None) or (kind.needs_grader and not graded):
            continue
        if kind.plain and not making.task.choice.primary.judges_answers:
            unfit.append(f"{name} (it has no likelihoods)")
            continue
        arm = yield from made_arm(name, kind, making)
        if isinstance(arm, str) and kind.plain:
            unfit.append(f"{name} ({arm})")
        elif isinstance(arm, str):
            missing.setdefault(arm, []).append(name)
        else:
            out.append(replace(arm, name=name, trained=kind.trained))
    if unfit:
        yield Said(f"No place in this task for {', '.join(unfit)}.")
    for reason, names in missing.items():
        for name in names:
            making.ctx.ledger.leave_out(name, reason)
        yield Said(f"Left out: {', '.join(names)}: {reason}.", warning=True)
    return out


def base(making: Making) -> Working[Arm | str]:
    """The base model with the request alone."""
    yield from ()
    return ways.base()


def prompted(making: Making) -> Working[Arm | str]:
    """The base model with the instruction."""
    yield from ()
    return ways.prompted(making.task.instruction)


def few_shot(making: Making) -> Working[Arm | str]:
    """The base model with the instruction and the chosen examples."""
    shown = yield from making.shots()
    return shown if isinstance(shown, str) else ways.few_shot(making.task.instruction, shown[0])


def optimised_prompt(making: Making) -> Working[Arm | str]:
    """The base model with what a search found."""
    if making.examples.raw:
        yield from ()
        return "raw text has no questions to try prompts on"
    shown = yield from making.shots()
    if isinstance(shown, str):
        return shown
    return (yield from searched_prompt(making.ctx, making.search, making.model, making.examples, making.task, *shown))


def rag(making: Making) -> Working[Arm | str]:
    """The base model with passages of the user's documents; without documents with the nearest training examples."""
    yield from ()
    instruction, train = making.task.instruction, making.examples.train
    if making.grounding is not None:
        return _documents_arm(making, instruction, making.grounding.retrieve, RAG)
    if not shows_answers(making.examples):
        return NOTHING_TO_SHOW
    if making.examples.raw:
        return _texts_arm(making)
    index = Index([r.prompt_text for r in train])
    count = yield from neighbour_count(making, index, making.usual)
    return replace(
        ways.rag_examples(instruction, train, index, count), quality=quality_of_examples(train, index, count)
    )


def rag_few_shot(making: Making) -> Working[Arm | str]:
    """The base model with passages of the user's documents, after worked examples that show what an answer looks
    like."""
    if making.grounding is None:
        return "there are no documents"
    shown = yield from making.shots()
    if isinstance(shown, str):
        return shown
    taken = making.model.renderer.count("\n".join(f"{r.prompt_text}\n{r.answer_text}" for r in shown[0]))
    spare = taken + TURN_TOKENS * len(shown[0])
    arm = _documents_arm(making, making.task.instruction, making.grounding.retrieve, RAG, spare)
    return ways.with_examples(arm, shown[0])


def fine_tuned(making: Making) -> Working[Arm | str]:
    """The trained model as it was trained."""
    yield from ()
    return ways.fine_tuned(PromptBuilder(making.model.renderer, making.task.trained_instruction))


def fine_tuned_rag(making: Making) -> Working[Arm | str]:
    """The trained model with passages of the user's documents."""
    yield from ()
    if making.grounding is None:
        return "there are no documents"
    return _documents_arm(making, making.task.trained_instruction, making.grounding.retrieve, FINE_TUNED_RAG)


def shows_answers(examples: Examples) -> bool:
    """Whether the training examples have answers to show."""
    return any(r.answer_text.strip() for r in examples.train)


def _shot_count(making: Making) -> tuple[int, float]:
    """How many worked examples are tried first, two to five, fewer where the context has no room for them; and for how
    many tokens of examples it has."""
    model, known, usual = making.model, making.examples.known, making.usual
    longest = sorted(known, key=lambda r: -len(r.prompt_text))[:3]
    ask = ways.prompted(making.task.instruction).ask
    asked = max(len(model.renderer.prompt_ids(ask(r), tools_of(r))) for r in longest)
    left = 0.9 * (model.base.context - room_for_answers(model, known)[0]) - asked
    return (min(int(left / usual), max(2, min(5, int(SHOT_TOKENS / usual)))) if left > usual else 0), left


def _no_room(model: LanguageModel) -> str:
    return (
        f"the context of {model.name} ({model.base.context} tokens) has no room for a worked example besides the"
        " longest requests"
    )


def _texts_arm(making: Making) -> Arm | str:
    """An arm that reads the nearest passages of the training texts first, as many as the model has room for."""
    model, known = making.model, making.examples.known
    count = model.renderer.count
    texts = [f"{r.prompt_text}{r.answer_text}" for r in making.examples.train]
    longest = max(count(r.prompt_text) for r in known) + room_for_answers(model, known)[0]
    size = max(map(count, texts[:: -(-len(texts) // SIZED)]))
    room = min(PASSAGES_BEFORE, int(0.9 * (model.base.context - longest) / size))
    return ways.rag_texts(texts, Index(texts), room) if room else _no_room(model)


def _documents_arm(making: Making, instruction: str | None, retrieve: Retriever, name: str, spare: int = 0) -> Arm:
    """An arm that gets passages, as much of them as the model has room for beside the answer and `spare` tokens."""
    room, _ = room_for_answers(making.model, making.examples.known)
    builder = PromptBuilder(making.model.renderer, instruction, retrieve, room + spare)
    arm = ways.with_documents(name, ARM_KINDS[name].trained, builder)
    return replace(arm, quality=quality_of_documents(retrieve))
