"""Arms: the ways to do the task. Each is a factory that returns a function from a record to the messages it asks with.

An arm sees training and validation records only when it is made, and a test record's prompt only when it is asked. What
each is called and which there are says `arm_kinds`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from postgrad.evaluation.prompt_search import NearestLast, Prompt
from postgrad.evaluation.retrieval import Index, Passage
from postgrad.records import Conversation, Message, Record, Task

Ask = Callable[[Record], tuple[Message, ...]]


@dataclass(frozen=True)
class Arm:
    """One way to do the task.

    Attributes:
        name: As in the report.
        trained: Whether it answers with the fine-tuned model.
        ask: The messages for a record.
        note: What a reader should know of how it was made.
        quality: For arms that retrieve: what was found for test records, beside the scores of their answers.
        remark: A sentence that is known once all was asked; empty for none.
    """

    name: str
    trained: bool
    ask: Ask
    note: str = ""
    quality: Callable[[Sequence[Record], Sequence[float]], dict[str, Any]] | None = None
    remark: Callable[[], str] = str


def own_prompt(record: Record) -> tuple[Message, ...]:
    """The record's own messages before the answer."""
    if isinstance(record, Conversation | Task):
        return record.prompt
    return (Message("user", record.prompt_text),)


def without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    return tuple(m for m in messages if m.role != "system")


def base() -> Arm:
    """The base model with the request alone."""
    return Arm("base", False, lambda record: without_system(own_prompt(record)), "The request alone, no instruction.")


def prompted(system: str) -> Arm:
    """The base model with an instruction; a record's own system message stands in its place."""
    return Arm(
        "prompted",
        False,
        lambda record: _with_system(own_prompt(record), system),
        "The instruction below, no examples.",
    )


def few_shot(system: str, examples: Sequence[Record]) -> Arm:
    """The base model with an instruction and worked examples as earlier turns."""
    turns = _turns(examples)
    return Arm(
        "few_shot",
        False,
        lambda record: _with_system(turns + without_system(own_prompt(record)), system, own_prompt(record)),
        f"The instruction and {len(examples)} examples chosen on the validation part.",
    )


def optimised_prompt(prompt: Prompt, train: Sequence[Record], note: str = "") -> Arm:
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
        return _with_system(messages, system, own)

    return Arm("optimised_prompt", False, ask, note)


def rag_examples(system: str, train: Sequence[Record], index: Index, count: int = 3) -> Arm:
    """The base model with the nearest training examples as earlier turns, the nearest last."""

    def ask(record: Record) -> tuple[Message, ...]:
        near = [train[i] for i in reversed(index.search(record.prompt_text, count))]
        return _with_system(_turns(near) + without_system(own_prompt(record)), system, own_prompt(record))

    return Arm("rag", False, ask, f"The instruction and the {count} nearest training examples for each request.")


def rag_documents(
    system: str,
    retrieve: Callable[[str], list[Passage]],
    name: str = "rag",
    trained: bool = False,
    ground: Callable[[Record, Sequence[Message], Sequence[Passage]], tuple[Message, ...]] | None = None,
) -> Arm:
    """A model with passages of the user's documents put before the request.

    The fine-tuned model gets no instruction: it has learned it. `ground` puts the passages there; it may shorten them.
    """

    def ask(record: Record) -> tuple[Message, ...]:
        own = own_prompt(record)
        messages, found = own if trained else _with_system(own, system), retrieve(record.prompt_text)
        return ground(record, messages, found) if ground else with_passages(messages, found)

    return Arm(name, trained, ask, "Passages of the documents are put before each request.")


def fine_tuned(system: str | None) -> Arm:
    """The fine-tuned model, asked exactly as it was trained."""
    note = (
        "Asked as trained, without instruction."
        if system is None
        else "Asked with the instruction it was trained with."
    )
    return Arm("fine_tuned", True, lambda record: _with_system(own_prompt(record), system), note)


def with_passages(messages: Sequence[Message], passages: Sequence[Passage]) -> tuple[Message, ...]:
    """Puts passages before the last user message: one wording for training, evaluation and serving."""
    text = "\n\n".join(p.text for p in passages)
    out = list(messages)
    for i in range(len(out) - 1, -1, -1):
        if out[i].role == "user":
            out[i] = replace(out[i], content=f"Documents:\n{text}\n\nQuestion: {out[i].content}")
            break
    return tuple(out)


def _turns(examples: Sequence[Record]) -> tuple[Message, ...]:
    return tuple(m for e in examples for m in (*without_system(own_prompt(e)), _answer(e)))


def _answer(record: Record) -> Message:
    """The right answer as a turn; calls of tools stay calls, so that the template writes them in its own way."""
    if isinstance(record, Conversation) and record.answer is not None:
        return record.answer
    return Message("assistant", record.answer_text)


def _with_system(
    messages: Sequence[Message], system: str | None, origin: Sequence[Message] = ()
) -> tuple[Message, ...]:
    """Puts a system message first, unless the messages (or the record they come from) bring their own."""
    own = next((m for m in (*messages, *origin) if m.role == "system"), None)
    if own is not None:
        return (own, *without_system(messages))
    return (Message("system", system), *messages) if system else tuple(messages)
