"""What a model is asked: instruction, passages and template, decided here for every use.

Run, evaluate, compare, training, the server, chat and the certified threshold all ask through a `PromptBuilder`. A
model that is served is therefore asked as it was evaluated, and where it is not (another instruction, passages cut
further for a longer answer), the prompt says so itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from postgrad.evaluation.retrieval import Passage
from postgrad.models.rendering.render import Renderer
from postgrad.records import Message, ToolDefinition, asked_text

Retrieve = Callable[[str], Sequence[Passage]]
"""The passages for a question, best first."""
USUAL_ROOM = 256
"""Tokens kept free for an answer where nobody knows how long the right ones are."""


@dataclass(frozen=True)
class BuiltPrompt:
    """What a model is asked for one conversation.

    Attributes:
        messages: With the instruction and the passages.
        tools: That the model may call.
        shortened: Whether passages were cut or left out, because the context has no room for them whole.
        as_evaluated: Whether this is how the model is asked when it is measured: with its own instruction, and with no
            more cut from the passages than there.
    """

    messages: tuple[Message, ...]
    tools: Sequence[ToolDefinition]
    shortened: bool
    as_evaluated: bool
    renderer: Renderer

    @functools.cached_property
    def ids(self) -> list[int]:
        """The token ids, ending where the answer begins.

        Raises:
            DataError: the messages do not fit the template.
        """
        return self.renderer.prompt_ids(self.messages, self.tools)


@dataclass(frozen=True)
class PromptBuilder:
    """How one model is asked, whatever the door.

    Attributes:
        renderer: Of its base: the template, and the tokens of its context.
        instruction: Put first where a conversation brings no system message of its own; None for none.
        retrieve: Finds the passages that go before the last request; None for none.
        room: Tokens that passages leave free for the answer, as in the evaluation.
        own_systems: Whether conversations with a system message of their own belong to the task.
    """

    renderer: Renderer
    instruction: str | None = None
    retrieve: Retrieve | None = None
    room: int = USUAL_ROOM
    own_systems: bool = True

    def build(
        self, conversation: Sequence[Message], tools: Sequence[ToolDefinition] = (), room: int | None = None
    ) -> BuiltPrompt:
        """The prompt for a conversation that ends where the answer begins.

        Args:
            conversation: As the user or the record has it.
            tools: In OpenAI's form.
            room: Tokens that the answer may take, where that was said; passages make way for more than `self.room`.
        """
        messages = with_instruction(conversation, self.instruction)
        same = self._is_own(conversation)
        if self.retrieve is None:
            return BuiltPrompt(messages, tools, False, same, self.renderer)
        found = list(self.retrieve(asked_text(conversation)))
        kept = self._fitted(messages, tools, found, self.room)
        if room is not None and room > self.room:
            wider = self._fitted(messages, tools, kept, room)
            same, kept = same and wider == kept, wider
        asked = with_passages(messages, kept) if kept else messages
        return BuiltPrompt(asked, tools, kept != found, same, self.renderer)

    def _is_own(self, conversation: Sequence[Message]) -> bool:
        """Whether the instruction is the one that the model is measured with."""
        given = next((m.content for m in conversation if m.role == "system"), None)
        if given is None:
            return True
        return given == self.instruction if self.instruction else self.own_systems

    def _fitted(
        self, messages: Sequence[Message], tools: Sequence[ToolDefinition], found: Sequence[Passage], room: int
    ) -> list[Passage]:
        """As much of the passages as leaves room for the answer; the best is the last to go."""
        kept = list(found)
        while kept and (over := self._over(messages, tools, kept, room)) > 0:
            ids = self.renderer.encode(kept[-1].text)
            rest = len(ids) - over - 4
            text = self.renderer.decode(ids[:rest]).strip() if rest > 8 else ""
            kept = [*kept[:-1], *([replace(kept[-1], text=text)] if text else [])]
        return kept

    def _over(
        self, messages: Sequence[Message], tools: Sequence[ToolDefinition], passages: Sequence[Passage], room: int
    ) -> int:
        """Tokens that the prompt has too many."""
        ids = self.renderer.prompt_ids(with_passages(messages, passages), tools)
        return len(ids) + room - self.renderer.context


def with_instruction(
    messages: Sequence[Message], instruction: str | None, origin: Sequence[Message] = ()
) -> tuple[Message, ...]:
    """Puts a system message first, unless the messages (or the record they come from) bring their own.

    Raw text becomes a request then: whoever is instructed is asked.
    """
    own = next((m for m in (*messages, *origin) if m.role == "system"), None)
    if own is not None or instruction:
        messages = [replace(m, role="user") if m.role == "text" else m for m in messages]
    if own is not None:
        return (own, *without_system(messages))
    return (Message("system", instruction), *messages) if instruction else tuple(messages)


def without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages without instructions."""
    return tuple(m for m in messages if m.role != "system")


def with_passages(messages: Sequence[Message], passages: Sequence[Passage]) -> tuple[Message, ...]:
    """Puts passages before the last user message: one wording for training, evaluation and serving."""
    text = "\n\n".join(p.text for p in passages)
    out = list(messages)
    for i in range(len(out) - 1, -1, -1):
        if out[i].role == "user":
            out[i] = replace(out[i], content=f"Documents:\n{text}\n\nQuestion: {out[i].content}")
            break
    return tuple(out)
