"""Who teaches, and what it reads: the student's request with a longer instruction, or with the right answer as an
example. No torch.

Learning from oneself with a longer prompt is context distillation (https://arxiv.org/abs/2112.00861,
https://arxiv.org/abs/2209.15189), learning from oneself with the answer as an example self-distillation fine-tuning
(https://arxiv.org/abs/2601.19897).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from postgrad.errors import DataError, ModelError
from postgrad.json_types import JsonMapping
from postgrad.models.rendering.render import Rendered, Renderer, TooLong
from postgrad.records import Conversation, Message

if TYPE_CHECKING:
    from postgrad.models.language_model import LanguageModel

EXAMPLE = "{request}\n\nThis is an example of a good answer:\n\n{answer}\n\nNow answer the request in your own words."
"""What is asked of a teacher that is shown the answer."""


@dataclass(frozen=True)
class Teacher:
    """Who teaches.

    Attributes:
        name: For people.
        renderer: Of its base.
        config: The `config.json` of its base.
        dtype: That it is computed in.
        model: In memory beside the student; None: the model that the training starts from.
        prompt: Instruction that it alone reads.
        demonstrate: Whether it is shown the record's answer.
        said: Where the answers come from that are learned, in words, for the report.
    """

    name: str
    renderer: Renderer
    config: JsonMapping
    dtype: str
    model: LanguageModel | None = None
    prompt: str | None = None
    demonstrate: bool = False
    said: str = ""

    @property
    def sees_more(self) -> bool:
        """Whether it reads more than the student."""
        return bool(self.prompt) or self.demonstrate

    def asked(self, record: Conversation) -> tuple[Message, ...]:
        """The messages that it answers.

        Raises:
            DataError: it is to be shown an answer, and there is none.
        """
        messages = list(instructed(record.prompt, self.prompt))
        if self.demonstrate:
            last = max((i for i, m in enumerate(messages) if m.role == "user"), default=None)
            if last is None or not record.answer_text.strip():
                raise DataError(
                    f"{record.source}: there is no answer that the teacher could be shown.",
                    "Give it one, or set training.demonstrate to false.",
                )
            request = EXAMPLE.format(request=messages[last].content, answer=record.answer_text)
            messages[last] = replace(messages[last], content=request)
        return tuple(messages)

    def prompt_ids(self, record: Conversation) -> list[int]:
        """What it reads before an answer.

        Raises:
            DataError: there is no answer to show.
        """
        return self.renderer.prompt_ids(self.asked(record), record.tools)

    def reads(self, record: Conversation, learned: Rendered) -> Rendered:
        """The conversation as it reads it: after its own prompt the same answers, token for token.

        Args:
            learned: The conversation as the student reads it.

        Raises:
            DataError: its tokenizer or template makes other tokens of the answers.
        """
        messages = instructed(record.messages, self.prompt)
        found = self.renderer.render(replace(record, messages=messages))
        if _supervised(found) != _supervised(learned):
            raise DataError(
                f"{record.source}: after the teacher's prompt the answer is other tokens than after the student's, so"
                " their predictions cannot be compared.",
                "Leave the example out, or learn the teacher's text: training.mode = text.",
            )
        return found

    def has_room(self, record: Conversation, tokens: int, too_long: TooLong) -> bool:
        """Whether its context holds so many tokens; where not, the example is left out if the policy is to drop.

        Raises:
            DataError: it does not, under any other policy: what the teacher reads is never cut.
        """
        if tokens <= self.renderer.context:
            return True
        if too_long == "drop":
            return False
        raise DataError(
            f"{record.source}: with what the teacher reads the example has {tokens} tokens, more than the"
            f" {self.renderer.context} of {self.name}.",
            "Shorten training.teacher_prompt or the example, take a teacher with a longer context, or set"
            " training.too_long to drop.",
        )


def instructed(messages: Sequence[Message], prompt: str | None) -> tuple[Message, ...]:
    """The messages with an instruction before their own."""
    if not prompt:
        return tuple(messages)
    own = next((m for m in messages if m.role == "system"), None)
    if own is None:
        return (Message("system", prompt), *messages)
    whole = prompt if own.content in prompt else f"{prompt}\n\n{own.content}"
    return tuple(replace(m, content=whole) if m is own else m for m in messages)


def refuse_other_tokens(name: str, teacher: Renderer, student: Renderer) -> None:
    """Refuses a teacher whose predictions are not about the student's tokens.

    Raises:
        ModelError: its vocabulary differs, or its template ends answers with another token.
    """
    mend = "Learn its text instead: --set mode=text; or take a teacher of the student's family."
    theirs, own = teacher.tokens, student.tokens
    if theirs != own:
        differing = sum(theirs.get(token) != place for token, place in own.items()) or len(theirs) - len(own)
        raise ModelError(
            f"The teacher {name} has another tokenizer than the base: {differing:,} of {len(own):,} tokens differ, so"
            " its predictions cannot be compared token by token.",
            mend,
        )
    if (ends := [_end(r) for r in (teacher, student)])[0] != ends[1]:
        words = [r.decode([e], special=True) for r, e in zip((teacher, student), ends, strict=True)]
        raise ModelError(f"The teacher {name} ends its answers with {words[0]!r}, the base with {words[1]!r}.", mend)


def _end(renderer: Renderer) -> int:
    """The token that the template puts behind an answer."""
    said = Message("assistant", "a", reasoning="t" if renderer.thinking else "")
    return _supervised(renderer.render(Conversation(messages=(Message("user", "u"), said))))[-1]


def _supervised(example: Rendered) -> list[int]:
    return [i for i, weight in zip(example.ids, example.weights, strict=True) if weight > 0]
