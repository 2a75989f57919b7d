"""Arms: the ways to do the task. Each is a factory that returns a function from a record to the messages it asks with.

An arm sees training and validation records only when it is made, and a test record's prompt only when it is asked. What
each is called and which there are says `arm_kinds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from postgrad.evaluation.prompt_search import CandidatePrompt, NearestLast
from postgrad.evaluation.prompting import PromptBuilder, with_instruction, without_system
from postgrad.evaluation.retrieval import Index
from postgrad.json_types import JsonObject
from postgrad.records import Conversation, Message, Record, Task, tools_of

if TYPE_CHECKING:
    from postgrad.models.generation.decoding import Completion  # here: torch

PromptFunction = Callable[[Record], tuple[Message, ...]]


@dataclass(frozen=True)
class Arm:
    """One way to do the task.

    Attributes:
        name: As in the report.
        trained: Whether it answers with the fine-tuned model.
        ask: The messages for a record.
        note: What a reader should know of how it was made.
        quality: For arms that retrieve: what was found for test records, beside the scores of their answers.
        held: Whether its answers are held to the form of right ones while they are generated (see `answer_grammar`).
        reply: Of an arm without a language model: its answers to records, of which it reads the requests.
        remark: A sentence that is known once all was asked; empty for none.
        draws: So many answers are drawn to each request, and the best by the primary metric counts; 0: one is asked
            for.
    """

    name: str
    trained: bool
    ask: PromptFunction
    note: str = ""
    quality: Callable[[Sequence[Record], Sequence[float]], JsonObject] | None = None
    remark: Callable[[], str] = str
    held: bool = False
    reply: Callable[[Sequence[Record]], list[Completion]] | None = None
    draws: int = 0


def own_prompt(record: Record) -> tuple[Message, ...]:
    """The record's own messages before the answer."""
    if isinstance(record, Conversation | Task):
        return record.prompt
    return (Message("user", record.prompt_text),)


def base() -> Arm:
    """The base model with the request alone."""
    return Arm("base", False, lambda record: without_system(own_prompt(record)), "The request alone, no instruction.")


def prompted(system: str) -> Arm:
    """The base model with an instruction; a record's own system message stands in its place."""
    return Arm(
        "prompted",
        False,
        lambda record: with_instruction(own_prompt(record), system),
        "The instruction below, no examples.",
    )


def few_shot(system: str, examples: Sequence[Record]) -> Arm:
    """The base model with an instruction and worked examples as earlier turns."""
    turns = _turns(examples)
    return Arm(
        "few_shot",
        False,
        lambda record: with_instruction(turns + without_system(own_prompt(record)), system, own_prompt(record)),
        f"The instruction and {len(examples)} examples chosen on the validation part.",
    )


def optimised_prompt(prompt: CandidatePrompt, train: Sequence[Record], note: str = "") -> Arm:
    """The base model asked as a search on the validation part found best; a record's own system message stays."""
    instruction, shown = prompt.instruction, [train[i] for i in prompt.shots]
    order = NearestLast(shown) if prompt.nearest_last else lambda record: shown
    system = instruction.text if instruction.place == "system" else None

    def ask(record: Record) -> tuple[Message, ...]:
        own = own_prompt(record)
        messages = [*_turns(order(record)), *without_system(own)]
        asking = [i for i, m in enumerate(messages) if m.role == "user"]
        if asking and instruction.place == "request" and all(m.role != "system" for m in own):
            first = messages[asking[0]]
            messages[asking[0]] = replace(first, content=f"{instruction.text}\n\n{first.content}")
        if asking and instruction.after:
            last = messages[asking[-1]]
            messages[asking[-1]] = replace(last, content=f"{last.content}\n\n{instruction.after}")
        return with_instruction(messages, system, own)

    return Arm("optimised_prompt", False, ask, note)


def rag_examples(system: str, train: Sequence[Record], index: Index, count: int = 3) -> Arm:
    """The base model with the nearest training examples as earlier turns, the nearest last."""

    def ask(record: Record) -> tuple[Message, ...]:
        near = [train[i] for i in reversed(index.search(record.prompt_text, count))]
        return with_instruction(_turns(near) + without_system(own_prompt(record)), system, own_prompt(record))

    return Arm("rag", False, ask, f"The instruction and the {count} nearest training examples for each request.")


def rag_texts(texts: Sequence[str], index: Index, count: int) -> Arm:
    """The base model with the nearest passages of the texts before the one that it goes on from, the nearest last."""

    def ask(record: Record) -> tuple[Message, ...]:
        near = [texts[i] for i in reversed(index.search(record.prompt_text, count))]
        return (Message("text", "\n\n".join([*near, record.prompt_text])),)

    return Arm("rag", False, ask, f"The {count} nearest passages of the training texts go before each.")


def with_examples(arm: Arm, examples: Sequence[Record]) -> Arm:
    """The arm with worked examples as earlier turns, after its instruction."""
    turns = _turns(examples)

    def ask(record: Record) -> tuple[Message, ...]:
        messages = arm.ask(record)
        first = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
        return (*messages[:first], *turns, *messages[first:])

    return replace(arm, ask=ask, note=f"{arm.note} {len(examples)} worked examples go before.")


def fine_tuned(builder: PromptBuilder) -> Arm:
    """The fine-tuned model, asked exactly as it was trained."""
    how = "with the instruction it was trained with" if builder.instruction else "as trained, without instruction"
    return built("fine_tuned", True, builder, f"Asked {how}.")


def with_documents(name: str, trained: bool, builder: PromptBuilder) -> Arm:
    """A model with passages of the user's documents put before the request.

    The fine-tuned model gets no instruction that was written by rule: it has learned it.
    """
    return built(name, trained, builder, "Passages of the documents are put before each request.")


def built(name: str, trained: bool, builder: PromptBuilder, note: str) -> Arm:
    """An arm whose prompts come from a builder; its remark says for how many requests passages were cut."""
    shortened = 0

    def ask(record: Record) -> tuple[Message, ...]:
        nonlocal shortened
        prompt = builder.build(own_prompt(record), tools_of(record))
        shortened += prompt.shortened
        return prompt.messages

    def remark() -> str:
        return f"Passages were cut to the model's context for {shortened} requests." if shortened else ""

    return Arm(name, trained, ask, note, remark=remark)


def _turns(examples: Sequence[Record]) -> tuple[Message, ...]:
    return tuple(m for e in examples for m in (*without_system(own_prompt(e)), _answer(e)))


def _answer(record: Record) -> Message:
    """The right answer as a turn; calls of tools stay calls, so that the template writes them in its own way."""
    if isinstance(record, Conversation) and record.answer is not None:
        return record.answer
    return Message("assistant", record.answer_text)
